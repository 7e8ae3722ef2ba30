// What is shown, saved as a picture.

import {picture} from './chart.mjs';

export const savePicture = (shown) => {
    const bars = /** @type {any} */ (document.querySelector('#days-graph .js-plotly-plot'));
    const {figure, name} = picture(
        shown, Intl.DateTimeFormat().resolvedOptions().timeZone, bars ? structuredClone({data: bars.data, layout: bars.layout}) : undefined,
    );
    const graph = document.querySelector('#live-graph');
    window.Plotly.downloadImage(figure, {
        format: 'png', scale: 2, width: Math.max(800, graph.clientWidth), height: Math.max(400, graph.clientHeight), filename: name,
    });
};
