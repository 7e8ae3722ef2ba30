// What Dash and Plotly put into the page.
interface Window {
    dash_clientside: any;
    dash_ag_grid: any;
    dash_component_api: any;
    Plotly: any;
}
