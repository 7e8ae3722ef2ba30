// When the page draws, and what: the chart, the figures beside it, the table.

import * as Buckets from '../state/buckets.mjs';
import * as Chart from './chart.mjs';
import * as Track from '../state/track.mjs';
import * as Units from '../state/units.mjs';
import * as Words from './words.mjs';

const REDRAW_MS = 100;
const MAX_INTERVAL_MS = 1_000; // a dial that stands still for longer looks broken
const REFRESH_MS = 10_000;
const ARRIVED_MS = 2_000;
const REDRAW_COSTS = 5; // from one drawing to the next, as a multiple of what one takes: the page stays usable however fast readings come
const SILENT_MS = 10_000;
const LEAD_MS = 5_000; // the line comes in from outside the edge
const MAX_POINTS = 2_000; // more costs over 20 ms a redraw
const MIN_POINTS = 1_500; // a day in minutes, with the minutes at its ends
const POINTS_A_PIXEL = 1.5; // one at least, whatever step of the ladder they come to

export class Painter {
    constructor(page) {
        this.page = page;
        this.timer = null;
        this.due = 0; // when it goes off, epoch ms
        this.cost = 0;
        this.drawnAt = 0;
        this.pixels = 1000;
        this.gap = 5_000;
        this.ends = new Map(); // of the dial, by source and unit: it grows and never shrinks, so that the needle means the same
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

    // Shortest time between two drawings, in ms.
    get redrawMs() {
        return Math.max(REDRAW_MS, REDRAW_COSTS * this.cost);
    }

    // Shortest time between two answers, in ms. Each moves the dial, and Dash visits every component for it: a browser that draws slowly
    // is slow at that too.
    get intervalMs() {
        return Math.round(Math.min(MAX_INTERVAL_MS, this.redrawMs));
    }

    drawSoon(rest = 0) {
        const due = Math.max(Date.now() + REDRAW_MS / 2, this.drawnAt + Math.max(this.redrawMs, rest));
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
        if (document.hidden || !graph || this.page.place !== '/' || !this.page.opened) {
            return;
        }
        const {page} = this;
        const began = performance.now();
        const now = Date.now();
        const shown = this.look(graph, now);
        const readings = page.screen.chart(shown);
        page.screen.message(...(readings ? [null, false] : Words.empty(page)));
        page.screen.figures(this.rows(shown, now), page.unit);
        page.screen.bars(page.isFixed ? shown : null, page.view.unit, page.dark);
        if (page.isFixed) {
            page.screen.table(); // one that is open; that of a moving range stays as it was asked for
        }
        page.screen.downloads(page.only, shown.range, page.view.unit, page.shownSources, page.isFixed);
        this.showNow();
        this.drawnAt = Date.now();
        /** @type {any} */
        const plot = graph.querySelector('.js-plotly-plot');
        plot?.once?.('plotly_afterplot', () => {
            this.cost = performance.now() - began; // Plotly draws later than its figure is set
        });
    }

    // What the chart shows now, as `chart` takes it; asks for what is missing.
    look(graph, now) {
        const {page} = this;
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
            const exact = about && points.width ? page.totals.of(page.tracks.of(source), [from, to], page.isFixed) : null;
            return {source, name: page.nameOf(source), colour, points, highest, n: about?.n ?? 0, limit: page.limitOf(source), summary: exact ?? about};
        });
        const highest = Math.max(0, ...series.map((each) => Math.max(each.highest, each.limit ?? 0)));
        this.gap = series.length ? Buckets.gapMs(series[0].points) : this.gap;
        return {
            look: page.theme, unit: page.unit, series, range: [from, to], top: Units.top(highest, page.unit),
            narrow: graph.clientWidth < 600,
        };
    }

    rows({series}, now) {
        return series.map(({source, name, colour, points, summary}) => {
            const reading = this.latest(source, points);
            const today = reading && new Date(reading.at).toDateString() === new Date(now).toDateString();
            const last = reading && Chart.local(reading.at).slice(today ? 11 : 0, 19).replace('T', ' ');
            const {lines} = this.page.theme;
            return {source: name, colour: lines[colour % lines.length], summary, last, speed: now - this.seen(source, reading) > this.silentMs ? null : reading?.speed};
        });
    }

    // The latest reading that is known of a source: the newest of now, what came last, or the end of what is shown. A time that is far ahead
    // of this clock does not hide those that follow.
    latest(source, points) {
        const track = this.page.tracks.of(source);
        const now = Date.now();
        const held = Track.newest(track, now + Track.AHEAD_MS);
        if (held && (now - held.at < SILENT_MS || !track.arrived)) {
            return held;
        }
        const shown = points?.buckets.at(-1);
        return track.arrived?.last ?? held ?? Track.newest(track) ?? (shown ? {at: shown.lastAt, speed: shown.last} : null);
    }

    // When a source was last heard of; 0 where that is not known. reading: its latest.
    seen(source, reading) {
        const {page} = this;
        const times = [page.tracks.of(source).arrived?.when, reading?.at, page.bySource.get(source)?.last_ms];
        return Math.max(0, ...times.filter((at) => at < Date.now() + Track.AHEAD_MS));
    }

    get silentMs() {
        return Math.max(this.gap, SILENT_MS);
    }

    // The end of the dial of a source.
    end(source, highest) {
        const key = `${source} ${this.page.view.unit}`;
        const end = Math.max(this.ends.get(key) ?? 0, Units.end(highest, this.page.unit));
        this.ends.set(key, end);
        return end;
    }

    showNow() {
        const {page} = this;
        const now = Date.now();
        const [source] = page.shownSources;
        const first = page.screen.shown?.series[0];
        const reading = source === undefined ? null : this.latest(source, first?.points);
        const limit = source === undefined ? null : page.limitOf(source);
        const seen = source === undefined ? 0 : this.seen(source, reading);
        const stale = page.link.phase !== 'live' || Boolean(page.storage) || page.frozen || now - seen > this.gap;
        const end = this.end(source, Math.max(first?.highest ?? 0, limit ?? 0, reading?.speed ?? 0));
        page.screen.now(reading, page.unit, end, limit, stale);
        const silent = now - seen > this.silentMs;
        const whose = page.shownSources.length > 1 ? `${page.nameOf(source)}: ` : ''; // the dial has one speed alone
        page.screen.text('age', page.isFixed || !seen ? '' : whose + (silent ? `silent for ${Units.age(now - seen)}` : 'live'));
        page.screen.text('stored', page.receipts.toLocaleString());
    }
}
