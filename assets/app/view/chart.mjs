// From points to a figure, a picture, a file, a table. Pure functions.
//
//   What is shown is {look, unit, series: [{source, name (for people), colour, points, limit (km/h or null)}], range: [from, to] in epoch ms, top,
//   narrow}: look as figures.chart_config() makes it, points as track.points() makes them, top the upper end of the axis in the unit.

import * as Buckets from '../state/buckets.mjs';
import * as Units from '../state/units.mjs';

const LINE_PX = 2;
const SHORT_MS = 36 * 3_600_000;

const offset = (ms) => new Date(ms).getTimezoneOffset() * 60_000;

// Plotly draws a date without zone as it stands: the reader's own clock. since: the moment whose clock counts on where the reader's is changed.
export const local = (ms, since = ms) => new Date(ms - offset(since)).toISOString().slice(0, -1);

// The beginning of a range that is short enough for that: an hour that comes twice in autumn would fold its line. Else nothing: longer ones
// have their days where the reader has them.
const begin = ([from, to]) => (to - from < SHORT_MS ? from : undefined);

// Epoch ms of an end of an axis as Plotly gives it. shown: the range that the axis had.
export const instant = (end, shown) => {
    const since = begin(shown);
    const clock = typeof end === 'number' ? '' : end.replace(' ', 'T');
    return clock ? (since === undefined ? new Date(clock).getTime() : Date.parse(`${clock}Z`) + offset(since)) : end;
};

const middle = ({width}, {at}) => at + width / 2;

// Around everything that the readings of these buckets reach: along their highest, and back along their lowest.
const outline = (part, of) => [
    ...part.flatMap(({firstAt, lastAt, max}) => [[firstAt, of(max)], [lastAt, of(max)]]),
    ...part.toReversed().flatMap(({firstAt, lastAt, min}) => [[lastAt, of(min)], [firstAt, of(min)]]),
];

// A point without a speed between two stretches: the line breaks there.
const broken = (parts) => parts.flatMap((part, n) => (n ? [[part[0][0], null, null], ...part] : part));

const trace = (triples, look) => ({
    type: 'scatter',
    mode: 'lines',
    x: triples.map(([at]) => at),
    y: triples.map(([, speed]) => speed),
    ...look,
});

const MUTE = {hoverinfo: 'skip', showlegend: false};

// What a source looks like: its mean as a line, from its lowest to its highest as a band where there is more than one reading
// to a point, lone readings as dots, and what is above the limit in a colour of its own.
const traces = ({look, unit, series}, {name, colour, points, limit}) => {
    const of = (kmh) => Units.value(kmh, unit);
    const ink = look.lines[colour % look.lines.length];
    const parts = Buckets.stretches(points);
    const line = broken(parts.map((part) => part.map((each) => [middle(points, each), of(each.total / each.n), each])));
    const lone = parts.filter((part) => part.length === 1).flat();
    const found = [];
    if (points.width) {
        // One colour with the stroke of the line, which the readings themselves would have (tests/page/test_pixels.py).
        const stroke = {color: ink, width: LINE_PX};
        found.push(trace(broken(parts.map((part) => outline(part, of))), {fill: 'toself', fillcolor: ink, line: stroke, opacity: 0.25, ...MUTE, name: 'band'}));
    } else if (series.length === 1) {
        // Plotly would fill across the gaps of the line.
        const area = parts.map((part) => [[part[0].at, 0], ...part.map(({at, max}) => [at, of(max)]), [part.at(-1).at, 0]]);
        found.push(trace(broken(area), {fill: 'toself', fillcolor: ink, line: {width: 0}, opacity: 0.1, ...MUTE, name: 'area'}));
    }
    found.push(trace(line, {
        name: name.replaceAll('<', '&lt;'), // Plotly takes some HTML
        line: {color: ink, width: LINE_PX},
        customdata: line.map(([, , each]) => each && [each.n, of(each.min), of(each.max)]),
        hovertemplate: points.width
            ? `%{y:.1f} ${unit.symbol} (%{customdata[1]:.1f} to %{customdata[2]:.1f}, %{customdata[0]} readings)`
            : `%{y:.1f} ${unit.symbol}`,
    }));
    if (lone.length) {
        found.push(trace(lone.map((each) => [middle(points, each), of(each.total / each.n)]), {
            mode: 'markers', marker: {color: ink, size: 5}, ...MUTE, name: 'lone',
        }));
    }
    if (limit !== null) {
        const over = parts.flatMap((part) => Buckets.above(part.map((each) => [middle(points, each), of(each.max)]), of(limit)));
        // Several lines keep their own colours: what is above the limit glows behind them.
        const several = series.length > 1;
        found.splice(several ? 0 : found.length, 0, trace(broken(over), {
            line: {color: look.above, width: several ? 9 : 3}, opacity: several ? 0.35 : 1, ...MUTE, name: 'above the limit',
        }));
    }
    return found;
};

export const figure = (shown) => {
    const {look, unit, series, range, top, narrow} = shown;
    const {layout} = look.figure;
    const of = (kmh) => Units.value(kmh, unit);
    const since = begin(range);
    const clock = (ms) => local(ms, since);
    const several = series.length > 1;
    const limits = [...new Set(series.map(({limit}) => limit))].filter((limit) => limit !== null);
    const brief = (name) => (narrow && name.length > 12 ? `${name.slice(0, 11)}…` : name).replaceAll('<', '&lt;');
    const limited = (limit) => {
        const names = series.filter((each) => each.limit === limit).map(({name}) => brief(name));
        return names.length < series.length ? `${names.join(', ')} ` : '';
    };
    return {
        data: series.flatMap((each) => traces(shown, each)).map((each) => ({...each, x: each.x.map(clock)})),
        layout: {
            ...layout,
            showlegend: several,
            margin: {...layout.margin, t: several ? 36 : layout.margin.t},
            xaxis: {...layout.xaxis, range: range.map(clock), autorange: false, ...(narrow && {nticks: 3, ticklabeloverflow: 'hide past div'})},
            yaxis: {...layout.yaxis, range: [0, top], ticksuffix: ` ${unit.symbol}`},
            shapes: limits.map((limit) => ({
                type: 'line', xref: 'paper', x0: 0, x1: 1, y0: of(limit), y1: of(limit), layer: 'below',
                line: {color: look.limit, width: 1.5, dash: 'dash'},
            })),
            annotations: limits.map((limit) => ({
                xref: 'paper', x: 1, xanchor: 'right', y: of(limit), yanchor: 'bottom', showarrow: false,
                text: `limit ${limited(limit)}${Number(of(limit).toFixed(1))}`,
                font: {color: look.limit, size: 12},
            })),
        },
    };
};
