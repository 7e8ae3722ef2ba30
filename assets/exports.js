// What is shown, saved as a file.
window.speeddash = window.speeddash || {};

window.speeddash.exports = (() => {
    const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

    const png = (shown) => {
        const {figure, name} = window.speeddash.chart.picture(shown, zone());
        const graph = document.querySelector('#live-graph');
        window.Plotly.downloadImage(figure, {
            format: 'png', scale: 2, width: Math.max(800, graph.clientWidth), height: Math.max(400, graph.clientHeight), filename: name,
        });
    };

    const csv = (shown) => {
        const {text, name} = window.speeddash.chart.csv(shown, zone());
        const url = URL.createObjectURL(new Blob([text], {type: 'text/csv'}));
        Object.assign(document.createElement('a'), {href: url, download: name}).click();
        setTimeout(() => URL.revokeObjectURL(url), 60_000);
    };

    return {png, csv};
})();
