// What a person looks at, as a link carries it. Pure functions.
//
//   {mode, sources, window, from, to, unit, theme, limit, kiosk, drive, mirror}
//
// sources are those that are watched; in the other modes the name to send under, or none.
// from and to (epoch ms) stand still; without them the view follows, `window` wide. limit is km/h where the link brings its own,
// else null: then that counts which the server keeps for the source.

import {AHEAD_MS} from './track.mjs';

export const WINDOWS = {'1m': 60_000, '5m': 300_000, '15m': 900_000, '1h': 3_600_000, '24h': 86_400_000};
const MODES = ['simulate', 'gps', 'bluetooth', 'watch'];
export const THEMES = ['light', 'dark', 'system'];
const SOURCE = /^[A-Za-z0-9._:-]{1,64}$/;
const RELATIVE = /^now(?:([+-])(\d{1,5})([mhdwMy]))?(?:\/([dwMy]))?$/;
const DAY = /^\d{4}-\d\d-\d\d$/;
const NAMES = {'km/h': 'kmh', 'm/s': 'mps', ms: 'mps', knots: 'kn'};

export const start = () => ({
    mode: 'simulate',
    sources: [],
    window: '1m',
    from: null,
    to: null,
    unit: 'kmh',
    theme: 'system',
    limit: null,
    kiosk: false,
    drive: false,
    mirror: false,
});

// The view that a query asks for, and what in it makes no sense. remembered: what this browser last chose.
export const parse = (search, remembered, units, now) => {
    const query = new URLSearchParams(search);
    const {unit = start().unit, theme = start().theme} = remembered;
    const view = {...start(), unit, theme};
    const problems = [];
    const wrong = (name, expected) => problems.push(`${name}=${query.get(name).slice(0, 40)} is not ${expected}`);
    const choose = (name, choices, translate = {}) => {
        const given = translate[query.get(name)] ?? query.get(name);
        if (choices.includes(given)) {
            view[name] = given;
        } else if (given !== null) {
            wrong(name, `one of ${choices.join(', ')}`);
        }
    };
    choose('mode', MODES);
    choose('window', Object.keys(WINDOWS));
    choose('unit', Object.keys(units), NAMES);
    choose('theme', THEMES);
    view.sources = [...new Set(query.getAll('source').flatMap((names) => names.split(',')))];
    const bad = view.sources.filter((name) => name && !SOURCE.test(name));
    if (bad.length) {
        problems.push(`source=${bad[0].slice(0, 40)} is not 1 to 64 of A-Z a-z 0-9 . _ : -`);
        view.sources = view.sources.filter((name) => !bad.includes(name));
    }
    if (query.has('source') && !query.has('mode')) {
        view.mode = 'watch'; // a source alone is one to look at
    }
    for (const name of ['kiosk', 'drive', 'mirror']) {
        view[name] = query.get(name) === '1';
    }
    if (query.has('limit')) {
        const limit = Number.isFinite(Number(query.get('limit'))) ? Number(query.get('limit')) : NaN;
        view.limit = limit > 0 ? limit * units[view.unit].kmh : null;
        if (!(limit >= 0)) {
            wrong('limit', 'a speed');
        }
    }
    const [from, to] = ['from', 'to'].map((name) => (query.get(name) ? instant(query.get(name), name === 'to') : null));
    if (Number.isNaN(from) || Number.isNaN(to)) {
        wrong(Number.isNaN(from) ? 'from' : 'to', 'a time, such as 2026-01-31T12:00:00Z');
    } else if (from !== null && from >= (to ?? now)) {
        wrong('from', 'before to');
    } else if (view.drive) {
        // Driving is now, whatever range the link has.
    } else if (from !== null) {
        [view.from, view.to] = [from, to ?? now];
    } else if (to !== null) {
        [view.from, view.to] = [to - WINDOWS[view.window], to];
    }
    return {view, problems};
};

// A moment relative to now, as the other places know it (speeddash/page/when.py): now, now-7d, now/d, now-1M/M.
const relative = (text) => {
    const [, sign, digits, unit, floor] = RELATIVE.exec(text);
    const count = Number(`${sign ?? ''}${digits ?? 0}`);
    const at = new Date();
    if (unit === 'M' || unit === 'y') {
        const month = at.getMonth() + count * (unit === 'y' ? 12 : 1);
        at.setMonth(month, Math.min(at.getDate(), new Date(at.getFullYear(), month + 1, 0).getDate()));
    } else if (unit === 'd' || unit === 'w') {
        at.setDate(at.getDate() + count * (unit === 'w' ? 7 : 1)); // not 24 hours: a day may have 23 or 25
    } else if (unit) {
        at.setTime(at.getTime() + count * (unit === 'h' ? 3_600_000 : 60_000));
    }
    if (floor) {
        at.setHours(0, 0, 0, 0);
        const monday = at.getDate() - ((at.getDay() + 6) % 7);
        at.setMonth(floor === 'y' ? 0 : at.getMonth(), {d: at.getDate(), w: monday}[floor] ?? 1);
    }
    return at.getTime();
};

// RFC 3339, epoch ms, a moment relative to now, or the reader's own clock without a zone. A day is the reader's, and included as the end.
const instant = (text, isEnd) => {
    if (RELATIVE.test(text)) {
        return relative(text);
    }
    if (DAY.test(text)) {
        const day = new Date(`${text}T00:00`);
        return day.setDate(day.getDate() + (isEnd ? 1 : 0));
    }
    if (/^\d{11,}$/.test(text)) {
        return new Date(Number(text)).getTime(); // NaN where no calendar reaches
    }
    const date = /^\d{4}-\d\d-\d\d \d/.test(text) ? text.replace(' ', 'T') : text;
    return new Date(date.replace(' ', '+')).getTime(); // a + that was not escaped arrives as a space
};

// The query of a view; what is as it would be without it is left out.
export const format = (view, units) => {
    const query = new URLSearchParams();
    const usual = start();
    for (const name of ['mode', 'window', 'unit', 'theme']) {
        if (view[name] !== usual[name] || name === 'mode') {
            query.set(name, view[name]);
        }
    }
    view.sources.forEach((name) => query.append('source', name));
    if (view.limit !== null) {
        query.set('limit', String(Number((view.limit / units[view.unit].kmh).toFixed(2))));
    }
    if (view.from !== null) {
        query.set('from', new Date(view.from).toISOString());
        query.set('to', new Date(view.to).toISOString());
    }
    for (const name of ['kiosk', 'drive', 'mirror']) {
        if (view[name]) {
            query.set(name, '1');
        }
    }
    return query.toString() ? `?${query}`.replaceAll('%3A', ':') : '';
};

// [from, to] in epoch ms. newest: {at, lag} of what last came, or null. A source whose clock is behind by more than the
// window, a drive of last year on its way in, is followed on its own clock; one whose clock is a little ahead too.
export const range = (view, now, newest) => {
    if (view.from !== null) {
        return [view.from, view.to];
    }
    const width = WINDOWS[view.window];
    const onItsClock = newest && (newest.lag > width || (newest.at > now && newest.at - now < AHEAD_MS));
    const end = onItsClock ? newest.at : now;
    return [end - width, end];
};

