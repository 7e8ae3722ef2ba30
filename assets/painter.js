// When the page draws, and what: the chart, the figures beside it, the table.
window.speeddash = window.speeddash || {};

window.speeddash.Painter = (() => {
    const REDRAW_MS = 100;
    const REFRESH_MS = 10_000;
    const ARRIVED_MS = 2_000;
    const IDLE_SHARE = 3; // times as long idle as drawing: the page stays usable however fast readings come
    const LEAD_MS = 5_000; // the line comes in from outside the edge
    const MAX_POINTS = 2_000; // more costs over 20 ms a redraw
    const MIN_POINTS = 1_500; // a day in minutes, with the minutes at its ends
    const POINTS_A_PIXEL = 1.5; // one at least, whatever step of the ladder they come to

    return class {
        constructor(page) {
            this.page = page;
            this.timer = null;
            this.due = 0; // when it goes off, epoch ms
            this.cost = 0;
            this.drawnAt = 0;
            this.pixels = 1000;
            this.gap = 5_000;
            this.end = 100; // of the dial
            this.tableFrom = null; // when the table was last written, epoch ms; null while it is closed
        }

        get waited() {
            return Date.now() - this.drawnAt > REDRAW_MS;
        }

        // A second that passed moves a wide window by less than a pixel: then there is nothing to draw. One that stands still is
        // drawn now and then all the same, because drawing asks again for what could not be read.
        drawIfMoved() {
            const [from, to] = this.page.range(Date.now());
            if (Date.now() - this.drawnAt >= (this.page.isFixed ? REFRESH_MS : Math.min(REFRESH_MS, (to - from) / this.pixels))) {
                this.drawSoon();
            }
        }

        drawSoon(rest = 0) {
            const idle = Math.max(REDRAW_MS, IDLE_SHARE * this.cost, rest);
            const due = Math.max(Date.now() + REDRAW_MS / 2, this.drawnAt + idle);
            if (this.timer === null || due < this.due) {
                clearTimeout(this.timer);
                this.due = due;
                this.timer = setTimeout(() => this.draw(), due - Date.now());
            }
        }

        // For readings that came: in a wide window a second of them is a small part of a pixel.
        drawArrived() {
            const [from, to] = this.page.range(Date.now());
            this.drawSoon(Math.min(ARRIVED_MS, (to - from) / this.pixels / 10));
        }

        draw() {
            clearTimeout(this.timer);
            this.timer = null;
            const graph = document.querySelector('#live-graph');
            if (document.hidden || !graph) {
                return;
            }
            const {page} = this;
            const began = performance.now();
            const now = Date.now();
            const shown = this.look(graph, now);
            const readings = page.screen.chart(shown);
            page.screen.message(...(readings ? [null, false] : window.speeddash.words.empty(page.circumstances())));
            page.screen.figures(this.rows(shown, now), page.unit);
            this.writeTable(shown, now);
            page.stored.list();
            this.showNow();
            this.drawnAt = Date.now();
            const plot = graph.querySelector('.js-plotly-plot');
            plot?.once?.('plotly_afterplot', () => {
                this.cost = performance.now() - began; // Plotly draws later than its figure is set
            });
        }

        // What the chart shows now, as `chart` takes it; asks for what is missing.
        look(graph, now) {
            const {track: Track, buckets: Buckets, units: Units} = window.speeddash;
            const {page} = this;
            const {limit} = page;
            const sources = page.shownSources;
            const [from, to] = page.range(now);
            const lead = Math.min(LEAD_MS, (to - from) / 5);
            this.pixels = Math.max(100, graph.clientWidth - 80);
            const most = Math.min(MAX_POINTS, Math.max(MIN_POINTS, Math.round(POINTS_A_PIXEL * this.pixels)));
            page.tracks.require(sources, from - lead, page.isFixed ? to + lead : null, most);
            const series = sources.map((source, colour) => {
                const points = Track.points(page.tracks.of(source), from - lead, to + lead, most);
                const inside = points.buckets.filter(({firstAt, lastAt}) => lastAt >= from && firstAt <= to);
                const highest = inside.reduce((found, {max}) => Math.max(found, max), 0);
                const about = Buckets.summary({width: points.width, buckets: inside});
                const exact = about && points.width ? page.stored.totals.of(page.tracks.of(source), [from, to], page.isFixed) : null;
                return {source, colour, points, highest, summary: exact ?? about};
            });
            const highest = Math.max(limit ?? 0, ...series.map((each) => each.highest));
            this.end = Units.end(highest, page.unit);
            this.gap = series.length ? Buckets.gapMs(series[0].points) : this.gap;
            return {
                look: page.theme, unit: page.unit, series, range: [from, to], limit, top: Units.top(highest, page.unit),
                narrow: graph.clientWidth < 600,
            };
        }

        rows({series}, now) {
            const {chart: Chart} = window.speeddash;
            return series.map(({source, colour, points, summary}) => {
                const reading = this.latest(source, points);
                const today = reading && new Date(reading.at).toDateString() === new Date(now).toDateString();
                const last = reading && Chart.local(reading.at).slice(today ? 11 : 0, 19).replace('T', ' ');
                const {lines} = this.page.theme;
                return {source: Chart.name(source), colour: lines[colour % lines.length], summary, last, speed: reading?.speed};
            });
        }

        // What the page sees above the limit, among what is shown.
        above({series, limit}) {
            const {buckets: Buckets} = window.speeddash;
            return limit === null ? [] : series.flatMap(({source, points}) =>
                Buckets.above(points, limit).map(({from, to, peak}) => ({source, from, to, peak})));
        }

        writeTable(shown, now) {
            if (this.tableFrom !== null && now - this.tableFrom > REFRESH_MS) {
                this.tableFrom = now;
                this.page.screen.table(window.speeddash.chart.table(shown), shown.unit);
            }
        }

        toggleTable() {
            const open = this.tableFrom === null;
            this.tableFrom = open ? 0 : null;
            this.page.screen.set('table', {hidden: !open});
            this.page.screen.set('show-table', {'aria-pressed': String(open), children: open ? 'As a chart' : 'As a table'});
            document.querySelector('.plot').classList.toggle('as-table', open);
            this.draw();
        }

        // The latest reading that is known of a source: what came last, or the end of what is shown.
        latest(source, points) {
            const held = window.speeddash.track.newest(this.page.tracks.of(source));
            const shown = points?.buckets.at(-1);
            return held ?? (shown ? {at: shown.lastAt, speed: shown.last} : null);
        }

        showNow() {
            const now = Date.now();
            const [source] = this.page.shownSources;
            const reading = source === undefined ? null : this.latest(source, this.page.screen.shown?.series[0]?.points);
            const arrivedAt = source === undefined ? 0 : this.page.tracks.of(source).arrived?.when ?? 0;
            const seen = Math.max(arrivedAt, reading?.at ?? 0);
            const stale = this.page.link.phase !== 'live' || Boolean(this.page.storage) || now - seen > this.gap;
            this.page.screen.now(reading, this.page.unit, this.end, this.page.limit, stale);
            this.page.screen.text('stored', this.page.receipts.toLocaleString('en'));
        }
    };
})();
