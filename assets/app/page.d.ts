// What Dash and Plotly put into the page.
interface Window {
    dash_clientside: any;
    Plotly: any;
}
