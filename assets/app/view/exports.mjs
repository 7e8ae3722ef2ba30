// What is shown, saved as a picture that explains itself: a title with source, range and unit, an opaque ground.

import {local} from './chart.mjs';

const TITLE_PX = 8; // a character of the title

export const savePicture = ({series, unit, range, look}) => {
    const graph = document.querySelector('#live-graph');
    /** @type {any} */
    const plot = document.querySelector('#days-graph .js-plotly-plot') ?? graph.querySelector('.js-plotly-plot');
    const {data, layout} = structuredClone({data: plot.data, layout: plot.layout});
    const [from, to] = range.map((end) => local(end).slice(0, 19).replace('T', ' '));
    const width = Math.max(800, graph.clientWidth);
    const all = series.map(({name}) => name).join(', ') || 'no source';
    const most = Math.floor(width / TITLE_PX) - 20; // what stands beside them
    const names = all.length > most ? `${all.slice(0, most)}…` : all;
    const {timeZone} = Intl.DateTimeFormat().resolvedOptions();
    const text = `Speed of ${names.replaceAll('<', '&lt;')} in ${unit.symbol}<br>${from} to ${to} (${timeZone})`;
    const margin = {l: 72, r: 32, t: series.length > 1 ? 128 : 84, b: 56};
    const title = {text, font: {size: 15}, x: 0.5};
    window.Plotly.downloadImage({data, layout: {...layout, title, margin, paper_bgcolor: look.card}}, {
        format: 'png', scale: 2, width, height: Math.max(400, graph.clientHeight),
        filename: `speeddash_${series.map(({source}) => source || 'unnamed').join('+').slice(0, 80)}_${from}_${to}`
            .replaceAll(':', '').replaceAll(' ', 'T'),
    });
};
