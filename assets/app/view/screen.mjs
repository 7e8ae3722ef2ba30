// Shows what the page knows. Nothing is decided here; each property is set only when it differs from what stands there.

import {figure, local} from './chart.mjs';
import {turn} from './dial.mjs';
import {address, iso} from '../data/rest.mjs';
import * as Units from '../state/units.mjs';

const DIAL_STEPS = 10;
const DAY_MS = 86_400_000;
const LONG_MS = 60.5 * DAY_MS; // 60 days, one of which may have 25 hours

const same = (a, b) => (a ?? null) === (b ?? null) || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));

// A Dash component as JSON.
const element = (type, props) => ({namespace: 'dash_html_components', type, props});

const cells = (type, row) => element('Tr', {children: row.map((cell) => element(type, {children: cell}))});

const table = (head, rows) => element('Table', {children: [
    element('Thead', {children: [cells('Th', head)]}),
    element('Tbody', {children: rows.map((row) => cells('Td', row))}),
]});

const describe = ({average, maximum, km, movingMs, exact}, unit) => {
    const about = exact ? '' : '≈ ';
    return {
        average: about + Units.text(average, unit),
        maximum: about + Units.text(maximum, unit),
        // From buckets they would be wrong by far: the server is asked for them.
        distance: exact ? Units.distance(km, unit) : '…',
        moving: exact ? Units.duration(movingMs) : '…',
    };
};

export class Screen {
    constructor() {
        this.standing = new Map();
        this.shown = null; // what the chart shows, for the exports
        this.announcedAt = 0;
        this.barsWanted = null;
        this.limited = {source: null, text: ''};
    }

    // Each property that is set costs a pass over all components: what the server has sent needs none.
    set(id, props) {
        const before = this.standing.get(id) ?? window.dash_component_api.getLayout(id)?.props ?? {};
        const news = Object.fromEntries(Object.entries(props).filter(([name, value]) => !same(before[name], value)));
        if (Object.keys(news).length) {
            this.standing.set(id, {...before, ...news});
            window.dash_clientside.set_props(id, news);
        }
    }

    // A person gave a control a value. Returns whether it is news: what the page set itself is not.
    chosen(id, value) {
        const news = !same(this.standing.get(id)?.value ?? null, value ?? null);
        this.standing.set(id, {...this.standing.get(id), value});
        return news;
    }

    // A text that changes all the time goes straight into its element: through Dash each costs a pass over the whole page
    // (measured: 0.2 ms; some ten a second). Nothing else ever changes these elements.
    text(id, text, className = document.getElementById(id).className) {
        const element = document.getElementById(id);
        if (element.textContent !== text || element.className !== className) {
            Object.assign(element, {textContent: text, className});
        }
    }

    // The sources to choose from: those the server knows (null before it has told), and those that a link names.
    picker(chosen, listed) {
        const known = listed ?? [];
        const unheard = chosen.filter((source) => !known.some(({value}) => value === source));
        const word = listed ? ' (nothing yet)' : '';
        const options = [...unheard.map((source) => ({value: source, label: source + word})), ...known];
        this.set('watched', {options: options.map(({value, label}) => ({value, label})), value: chosen});
    }

    // The controls as the view has them.
    controls(view, place, settings) {
        const fixed = view.from !== null;
        const pressed = {...settings, source: view.mode, window: fixed ? null : view.window, unit: view.unit, theme: view.theme};
        for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.choice [data-value]'))) {
            button.setAttribute('aria-pressed', String(button.dataset.value === pressed[button.parentElement.id]));
        }
        const days = fixed ? [view.from, view.to - 1].map((end) => local(end).slice(0, 10)) : [null, null];
        this.days = days.join(' ');
        this.set('day-first', {value: days[0] ?? ''});
        this.set('day-last', {value: days[1] ?? ''});
        this.text('sends-as', view.mode === 'simulate' ? 'Made-up speeds, stored as ' : 'Sends as ');
        this.set('mirror', {'aria-pressed': String(view.mirror)});
        const live = place === '/';
        const page = document.getElementById('page');
        page.dataset.mode = view.mode;
        for (const [name, on] of Object.entries({kiosk: live && view.kiosk, drive: live && view.drive, mirror: live && view.mirror, fixed: live && fixed})) {
            page.classList.toggle(name, on);
        }
        document.documentElement.dataset.theme = live && view.drive ? 'dark' : view.theme;
        this.text('zone', `Times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`);
    }

    // What server callbacks know of the reader: speeddash/page/reader.py. Kept in a cookie, so that a reload of a place need not ask for it.
    reader(unit, dark) {
        const parts = new Intl.NumberFormat().formatToParts(12345.6);
        const mark = (type, usual) => parts.find((part) => part.type === type)?.value ?? usual;
        const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
        document.documentElement.dataset.agThemeMode = dark ? 'dark-blue' : 'light';
        const data = {zone, decimal: mark('decimal', '.'), group: mark('group', ''), unit, dark};
        this.set('reader', {data});
        document.cookie = `speeddash_reader=${encodeURIComponent(JSON.stringify(data))}; path=/; max-age=31536000; samesite=strict`;
    }

    // The limit of the one source that is shown; hidden where there are none or several.
    limit(source, kmh, unit) {
        document.getElementById('limit-row').hidden = source === null;
        this.set('limit-source', {data: source});
        const text = kmh === null ? '' : String(Number(Units.value(kmh, unit).toFixed(2)));
        const before = this.limited;
        this.limited = {source, text};
        const typing = document.activeElement?.id === 'limit' && source === before.source;
        if (!same(this.limited, before) && !typing) { // what a person typed stays until there is another limit
            window.dash_clientside.set_props('limit', {value: text});
        }
        if (source !== before.source) {
            window.dash_clientside.set_props('limit-word', {children: ''});
        }
    }

    // dcc.Dropdown (Dash 4.4) is reached by keyboard through an input beside it that screen readers do not hear (axe: aria-hidden-focus);
    // page.css hides that, and the button itself takes its place.
    reachable() {
        for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.dash-dropdown[tabindex="-1"]'))) {
            button.tabIndex = 0;
        }
    }

    state({text, kind}, waiting, notice, alarm, now) {
        this.text('status', text, `status ${kind}`);
        this.text('waiting', waiting);
        this.set('notice', {children: [alarm, notice].filter(Boolean).join(' · '), hidden: !notice && !alarm, className: alarm ? 'notice alarm' : 'notice'});
        this.announce([alarm, text.replace(/ in \d+ s$/, ''), notice].filter(Boolean).join('. '), now);
    }

    // What was saved is not what stands in the fields any more.
    unsay() {
        for (const id of ['trip-saved', 'source-word'].filter((each) => document.getElementById(each)?.textContent)) {
            window.dash_clientside.set_props(id, {children: ''});
        }
    }

    // For ears, at most every ten seconds, and only news.
    announce(words, now) {
        if (now - this.announcedAt >= 10_000 && document.getElementById('announce').textContent !== words) {
            this.announcedAt = now;
            this.text('announce', words);
        }
    }

    // The speed now, in digits and as a needle. stale: nothing came for too long.
    now(first, unit, end, limit, stale) {
        const over = first && limit !== null && first.speed > limit;
        const digits = first ? Units.value(first.speed, unit).toFixed(0) : '–';
        const look = [stale && 'stale', over && 'over', digits.length > 3 && 'long'].filter(Boolean).join(' ');
        this.text('speed-now', digits, look);
        this.text('unit-now', unit.symbol);
        turn(document.getElementById('dial'), {speed: first?.speed ?? null, limit, end, unit, stale, over: Boolean(over && !stale)});
        this.scale(end);
    }

    // The numbers around the dial.
    scale(end) {
        if (this.end !== end) {
            this.end = end;
            document.getElementById('dial-scale').replaceChildren(...Array.from({length: DIAL_STEPS + 1}, (_, n) => {
                const number = document.createElement('span');
                number.textContent = String(Number(((end * n) / DIAL_STEPS).toFixed(1)));
                number.style.setProperty('--place', String(n / DIAL_STEPS));
                return number;
            }));
        }
    }

    // The figures of the first source, and a table of all where there are several.
    figures(rows, unit) {
        const [first] = rows;
        const figures = first?.summary ? describe(first.summary, unit) : {};
        for (const id of ['average', 'maximum', 'distance', 'moving']) {
            this.text(id, figures[id] ?? '–');
        }
        this.text('last-time', first?.last ?? '–');
        const of = (kmh) => (kmh === undefined || kmh === null ? '–' : Units.value(kmh, unit).toFixed(0));
        this.set('others', {children: rows.length < 2 ? [] : [table(
            ['Source', `Now, ${unit.symbol}`, 'Average', 'Max.', 'Distance'],
            rows.map(({source, colour, speed, summary}) => {
                const swatch = element('Span', {className: 'swatch', style: {'--colour': colour}});
                const distance = summary ? describe(summary, unit).distance : '–';
                return [[swatch, source], of(speed), of(summary?.average), of(summary?.maximum), distance];
            }),
        )]});
    }

    chart(shown) {
        this.shown = shown;
        window.dash_clientside.set_props('live-graph', {figure: figure(shown)});
        const readings = shown.series.reduce((sum, {n}) => sum + n, 0);
        const width = Math.max(0, ...shown.series.map(({points}) => points.width));
        const step = width < 1000 ? `${Number(width.toFixed(1))} ms` : Units.duration(width).replace(/ 00 (s|min)$/, '');
        const folded = width ? `, a point for every ${step}` : '';
        this.text('shown', `${readings.toLocaleString()} ${readings === 1 ? 'reading' : 'readings'} shown${folded}`);
        return readings;
    }

    // A range longer than LONG_MS is drawn as bars by day, which the server makes; shown is null where there is no such range.
    bars(shown, unit, dark) {
        const [from, to] = shown?.range ?? [0, 0];
        const of = (name) => shown.series.map((each) => each[name]);
        const wanted = to - from > LONG_MS ? {sources: of('source'), limits: of('limit'), from, to, unit, dark, narrow: shown.narrow} : null;
        if (!same(wanted, this.barsWanted)) {
            this.barsWanted = wanted;
            window.dash_clientside.set_props('days-box', {children: []});
            window.dash_clientside.set_props('days-of', {data: wanted});
        }
    }

    // What the chart shows as rows, which the server makes.
    table() {
        const {hidden} = document.getElementById('table');
        const {series, range: [from, to]} = this.shown ?? {series: [], range: []};
        this.set('table-of', {data: hidden || !series.length ? null : {sources: series.map(({source}) => source), from, to}});
    }

    // Where all readings of one source in a range are to be had as files, and its trips.
    downloads(source, [from, to], unit, sources, fixed) {
        document.getElementById('readings').hidden = source === null;
        for (const kind of source === null ? [] : ['csv', 'ndjson', 'gpx', 'tcx']) {
            const given = {source, from: iso(from), to: iso(to), ...(kind === 'csv' && {unit})};
            document.getElementById(`readings-${kind}`).setAttribute('href', address(`export.${kind}`, given));
        }
        const days = fixed || to - from >= DAY_MS ? [['from', from], ['to', to - 1]] : []; // a window of minutes is no range of trips
        const query = [...sources.map((each) => ['source', each]), ...days.map(([name, end]) => [name, local(end).slice(0, 10)])];
        this.set('trips-link', {href: `/trips?${new URLSearchParams(query)}`});
    }

    message(text, latest) {
        this.set('message', {hidden: !text});
        this.text('message-text', text ?? '');
        this.set('show-latest', {hidden: !latest});
    }
}
