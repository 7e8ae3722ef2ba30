// From readings to a figure. Pure functions.
window.speeddash = window.speeddash || {};

window.speeddash.chart = (() => {
    const MAX_POINTS = 2000; // more costs over 20 ms a redraw
    const SHORTEST_MS = 60_000;
    const WINDOW_MS = 300_000;
    const GAP_MS = 5_000; // no reading for so long is a gap in the line, not a straight stroke

    // Plotly draws a date without zone as it stands: the reader's own clock.
    const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, -1);

    // Adds readings {at, seq, source, speed} in the order of time, each identity once, and forgets the oldest.
    const merge = (readings, news) => {
        const known = new Set(readings.map(identity));
        const fresh = news.filter((reading) => !known.has(identity(reading)));
        return [...readings, ...fresh].sort((a, b) => a.at - b.at || a.seq - b.seq).slice(-MAX_POINTS);
    };

    const identity = ({source, at, seq}) => `${source} ${at} ${seq}`;

    // The window that follows the newest reading: one minute at first, five at most.
    const liveRange = (readings, now) => {
        const first = readings.length ? readings[0].at : now;
        const end = Math.max(now, readings.length ? readings.at(-1).at : now);
        const width = Math.min(WINDOW_MS, Math.max(SHORTEST_MS, end - first));
        return [end - width, end];
    };

    // Epoch ms of an end of a range: a number already, or as Plotly gave it, on the reader's own clock.
    const instant = (end) => (typeof end === 'number' ? end : new Date(end.replace(' ', 'T')).getTime());

    // Average and maximum of what is shown; null where nothing is.
    const summary = (readings, range) => {
        const [from, to] = range.map(instant);
        const speeds = readings.filter(({at}) => from <= at && at <= to).map(({speed}) => speed);
        return speeds.length
            ? {average: speeds.reduce((sum, speed) => sum + speed, 0) / speeds.length, maximum: Math.max(...speeds)}
            : null;
    };

    // Where the line is to break, a point without a speed.
    const withGaps = (readings) =>
        readings.flatMap((reading, n) => {
            const before = readings[n - 1];
            return before && reading.at - before.at > GAP_MS ? [{at: before.at + 1, speed: null}, reading] : [reading];
        });

    // range: [from, to] in epoch ms, or as Plotly gave it; narrow: there is room for few ticks.
    const figure = (empty, readings, range, narrow) => {
        const [line] = empty.data;
        const shown = range.map((end) => (typeof end === 'number' ? local(end) : end));
        const points = withGaps(readings);
        return {
            data: [{...line, x: points.map(({at}) => local(at)), y: points.map(({speed}) => speed)}],
            layout: {
                ...empty.layout,
                yaxis: {...empty.layout.yaxis, ...(!readings.length && {range: [0, 100], autorange: false})},
                xaxis: {...empty.layout.xaxis, range: shown, autorange: false, ...(narrow && {nticks: 4})},
                annotations: readings.length
                    ? []
                    : [
                          {
                              text: 'Waiting for the first stored reading',
                              xref: 'paper',
                              yref: 'paper',
                              x: 0.5,
                              y: 0.5,
                              showarrow: false,
                              font: {size: 15},
                          },
                      ],
            },
        };
    };

    // The same chart as a picture that explains itself: a title with source and range, an opaque ground.
    const picture = (shown, source, ground, zone) => {
        const [from, to] = shown.layout.xaxis.range.map((end) => end.slice(0, 19).replace('T', ' '));
        return {
            figure: {
                data: shown.data,
                layout: {
                    ...shown.layout,
                    title: {text: `Speed of ${source}, ${from} to ${to} (${zone})`, font: {size: 15}, x: 0.5},
                    margin: {l: 72, r: 32, t: 56, b: 56},
                    paper_bgcolor: ground,
                },
            },
            name: `speeddash_${source}_${from}_${to}`.replaceAll(':', '').replaceAll(' ', 'T'),
        };
    };

    return {merge, liveRange, summary, figure, picture, WINDOW_MS};
})();
