// The live place at work: what a person looks at, and what brings the readings for it.

import {BluetoothSession} from './data/bluetoothsession.mjs';
import {GpsSession} from './data/gpssession.mjs';
import {keep} from './data/kept.mjs';
import {Sender, ownId} from './data/sender.mjs';
import {Totals} from './data/totals.mjs';
import {Tracks} from './data/tracks.mjs';
import {Watcher} from './data/watcher.mjs';
import * as Link from './state/link.mjs';
import * as Track from './state/track.mjs';
import * as View from './state/view.mjs';
import {Alarm} from './view/alarm.mjs';
import {Fleet} from './view/fleet.mjs';
import {Painter} from './view/painter.mjs';
import {Screen} from './view/screen.mjs';
import * as Words from './view/words.mjs';

const ASK_AFTER_MS = 2_000; // a frame without an echo for so long: ask the server whether it can store
const ASK_SILENT_MS = 20_000; // nothing came for so long: ask whether the server answers
const ASK_EVERY_MS = 60_000;
const ANSWER_MS = 5_000; // a server that takes longer does not answer
const BEHIND_MS = 2_000;
const TILES_MS = 100; // between two answers for the tiles of the fleet

const darkness = window.matchMedia('(prefers-color-scheme: dark)');

const socketUrl = (path, query) => {
    const {protocol, host} = window.location;
    return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}${path}?${new URLSearchParams(query)}`;
};

export class Page {
    // looks: figures.chart_config(), what the visitor may do, and a drive for the simulator.
    constructor(looks) {
        this.looks = looks;
        this.screen = new Screen();
        this.view = {...View.start(), ...JSON.parse(localStorage.getItem('speeddash.view') ?? '{}'), mode: 'watch'};
        this.problems = [];
        this.place = null; // the path shown
        this.opened = false; // the live place was shown once
        this.painter = new Painter(this);
        this.tracks = new Tracks({changed: () => this.painter.drawSoon(), came: () => this.painter.drawArrived()});
        this.totals = new Totals(() => this.painter.drawSoon());
        const set = (id, props) => this.screen.set(id, props);
        this.sender = new Sender({
            open: (query) => set('socket', {url: query && socketUrl('/ws', query)}),
            transmit: (text) => window.dash_clientside.set_props('socket', {send: text}),
            stored: (readings) => {
                this.receipts += readings.length;
                this.arrived(readings);
            },
            woken: () => {
                this.show();
                this.simulate(Date.now()); // not only at the next tick: a first visit sees a speed a second earlier
            },
        });
        this.watcher = new Watcher({
            open: (query) => set('live-socket', {url: query && socketUrl('/ws/live', query)}),
            transmit: (text) => window.dash_clientside.set_props('live-socket', {send: text}),
            arrived: (readings) => this.arrived(readings),
            missed: (sources) => this.tracks.invalidate(sources.filter((source) => this.shownSources.includes(source))),
            intervalMs: () => (this.place === '/' ? this.painter.intervalMs : TILES_MS),
        });
        const changed = () => {
            this.showState();
            this.painter.drawSoon();
        };
        const device = {measured: (speed, at) => this.sender.measure(speed, at), changed};
        this.devices = {gps: new GpsSession(device), bluetooth: new BluetoothSession(device)};
        this.alarm = new Alarm(this);
        this.fleet = new Fleet(this);
        this.begunAt = Date.now();
        this.listed = null; // the sources that the server knows, the latest first; null before the first answer
        this.bySource = new Map(); // the same by their names
        this.receipts = 0; // readings stored in this visit
        this.fresh = 0; // readings that came while the range was fixed
        this.cameAt = Date.now(); // when anything last came
        this.storage = null; // why the server cannot store, in its words
        this.signedOut = false; // the server does not know this browser any more
        this.notDurable = null; // the settings with which a commit is not durable
        this.group = null; // {online, servers} of the database's servers; null for a single one
        this.askedAttempt = 0; // which try to connect the server was last asked about
        this.asking = false;
        this.askedAt = -Infinity;
        this.frozen = false;
        this.gone = false; // nobody answered
        this.wasUndone = false; // the last click needed a server that did not answer
        this.placeMissed = false; // a place did not come for the same reason
        this.scriptMissed = null; // a script of the page did not come: 'now', or 'away' once the server did not answer either
    }

    async start() {
        await this.sender.claim(ownId());
        darkness.addEventListener('change', () => this.look({}));
        document.addEventListener('visibilitychange', () => {
            this.devices.gps.stayAwake();
            this.painter.draw();
        });
        window.addEventListener('online', () => this.watcher.sources.length && this.watcher.connect());
        this.show();
        // Not a dcc.Interval: a callback of Dash each second was half of what an idle page costs (35 ms a second).
        setInterval(() => this.tick(), 1000);
    }

    // Another place, or another view of this one, by the navigation, a link, or Back.
    go(path, search) {
        const before = this.place;
        this.place = path;
        document.getElementById('live').hidden = path !== '/';
        document.getElementById('page').dataset.place = path;
        for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll('nav a'))) {
            link.setAttribute('aria-current', link.pathname === path ? 'page' : 'false');
        }
        this.alarm.tick(Date.now()); // the title
        if (path === '/' && (!this.opened || (search && search !== this.query))) {
            this.open(search);
        } else if (path === '/' || before === '/' || before === null) {
            this.look({});
        }
        if (path !== '/') {
            this.screen.bars(null);
        }
        this.fleet.go(path === '/fleet', search);
        if (path !== '/' || before !== null) {
            this.screen.set('place-wanted', {data: path}); // what the server shows there; the live place is here already
        }
        this.askSoon();
    }

    // Shows the live view of an address.
    open(search) {
        const {view, problems} = View.parse(search, this.view, this.looks.units, Date.now());
        const {latest, maySend} = this.looks;
        if (!search.includes('mode=') && !view.sources.length && latest !== null && !this.opened) {
            Object.assign(view, {mode: 'watch', sources: [latest]});
        }
        if (!maySend && view.mode !== 'watch') {
            Object.assign(view, {mode: 'watch', sources: []});
        }
        const first = !this.opened;
        this.opened = true;
        this.problems = problems;
        if (first || view.mode !== this.view.mode) {
            this.mode(view.mode, view, false);
        } else {
            this.look(view, false);
        }
    }

    tick() {
        const now = Date.now();
        this.simulate(now);
        if (this.view.mode === 'watch') {
            this.sender.rest();
        }
        this.sender.tick(now);
        this.watcher.tick(now);
        this.ask();
        this.alarm.tick(now);
        this.screen.reachable();
        this.showState();
        if (this.place === '/') {
            this.painter.showNow();
            this.painter.drawIfMoved();
        } else {
            this.fleet.tick(now);
        }
    }

    // Sends the next speed of the drive that the simulator makes up.
    simulate(now) {
        if (this.view.mode === 'simulate' && this.sender.source?.startsWith('simulated-')) {
            const {drive} = this.looks; // a speed for each second
            this.sender.measure(drive[Math.floor((now - this.begunAt) / 1000) % drive.length], now);
        }
    }

    get unit() {
        return this.looks.units[this.view.unit];
    }

    get dark() {
        const {theme} = this.view;
        return theme === 'system' ? darkness.matches : theme === 'dark';
    }

    get theme() {
        return this.looks.themes[this.dark ? 'dark' : 'light'];
    }

    get isFixed() {
        return this.view.from !== null;
    }

    // Of the tab, where nothing is wrong.
    get title() {
        const path = this.place ?? '/';
        return path === '/' ? 'SpeedDash' : `${path[1].toUpperCase()}${path.slice(2)} – SpeedDash`;
    }

    // Whether the server's part of the page is that of the place.
    get placeIsHere() {
        const shown = document.getElementById('place').firstElementChild;
        return this.place === '/' ? !shown : shown?.id === `${this.place?.slice(1)}-place`;
    }

    get own() {
        return this.view.mode === 'watch' ? this.sender.id : this.sender.source ?? this.ownSource(this.view);
    }

    // The name under which this browser sends in a mode: the simulator has one of its own, so that no made-up reading is among real ones.
    ownSource({mode, sources}) {
        const name = sources[0] || this.sender.id;
        return mode === 'simulate' && !name.startsWith('simulated-') ? `simulated-${name.replace(/^page-/, '')}`.slice(0, 64) : name;
    }

    get shownSources() {
        return this.view.mode === 'watch' ? this.view.sources : [this.own];
    }

    // The one source that is shown, or null where there are none or several.
    get only() {
        const {shownSources: sources} = this;
        return sources.length === 1 ? sources[0] : null;
    }

    // The name of a source for people.
    nameOf(source) {
        return this.bySource.get(source)?.name ?? (source || '(unnamed)');
    }

    // km/h or null: what the link brings, else what the server stores for the source.
    limitOf(source) {
        const listed = this.fleet.tiles.get(source)?.data ?? this.bySource.get(source);
        return (this.place === '/' ? this.view.limit : null) ?? listed?.limit_kmh ?? null;
    }

    get link() {
        return this.place === '/fleet' || this.view.mode === 'watch' ? this.watcher.link : this.sender.link;
    }

    get query() {
        return View.format(this.view, this.looks.units);
    }

    // -- what is looked at

    // Everything that changes what a person looks at comes through here. step: Back returns to what was shown before.
    look(changes, step = true) {
        const wasFixed = this.isFixed;
        const before = this.view;
        this.view = {...before, ...changes};
        if (!this.isFixed || !wasFixed) {
            this.fresh = 0;
            this.painter.ends.clear();
        }
        if (this.place === '/' && this.opened) {
            const far = ['mode', 'from', 'to', 'drive'].some((name) => before[name] !== this.view[name]) || before.sources.join() !== this.view.sources.join();
            const moved = this.query !== window.location.search;
            window.history[far && step && moved ? 'pushState' : 'replaceState'](window.history.state, '', window.location.pathname + this.query);
        }
        keep('speeddash.view', JSON.stringify({unit: this.view.unit, theme: this.view.theme})); // what the next visit begins with
        this.show();
    }

    // Puts the view on the screen.
    show() {
        const {screen, view, place} = this;
        screen.reachable();
        screen.reader(view.unit, this.dark);
        const link = View.format({...view, mode: 'watch', sources: [this.own], from: null}, this.looks.units);
        screen.set('watch-link', {href: `/${link}`});
        const watched = view.mode === 'watch' ? view.sources.map((source) => ['source', source]) : [];
        screen.set('place-trips', {href: watched.length ? `/trips?${new URLSearchParams(watched)}` : '/trips'});
        screen.text('source-name', this.own);
        screen.controls(view, place, this.alarm.settings);
        screen.limit(this.only, this.limitOf(this.only), this.unit);
        screen.picker(view.mode === 'watch' ? view.sources : [], this.listed);
        this.watcher.watch(place === '/fleet' ? this.fleet.sources : view.mode === 'watch' && (place === '/' || this.alarm.wanted) ? view.sources : []);
        this.pollSources();
        this.painter.draw();
        this.showState();
    }

    // A fixed range needs the list of sources only until its own are in it: their limits are drawn.
    pollSources() {
        const known = this.shownSources.every((source) => this.bySource.has(source));
        this.screen.set('sources-poll', {disabled: this.signedOut || this.place !== '/' || (this.isFixed && known)});
    }

    // [from, to] in epoch ms.
    range(now) {
        const arrivals = this.shownSources.map((source) => this.tracks.of(source)).filter(({arrived: any}) => any);
        const newest = arrivals.map((track) => ({at: Track.newest(track).at, lag: track.arrived.lag})).sort((a, b) => b.at - a.at);
        return View.range(this.view, now, newest[0]);
    }

    fix(range) {
        const [from, to] = range.map(Math.round);
        this.problems = [];
        this.look({from, to});
    }

    follow(window = this.view.window) {
        this.problems = [];
        this.look({window, from: null, to: null});
    }

    move(share) {
        const [from, to] = this.range(Date.now());
        this.fix([from, to].map((end) => end + share * (to - from)));
    }

    mode(chosen, view = {sources: [], from: null, to: null}, step = true) {
        Object.values(this.devices).forEach((each) => each.stop());
        this.devices[chosen]?.start();
        if (chosen !== 'watch') {
            this.sender.wake(this.ownSource({...this.view, ...view, mode: chosen}));
        }
        this.look({...view, mode: chosen}, step);
    }

    showLatest() {
        const sources = this.shownSources;
        const last = Math.max(...(this.listed ?? []).filter(({value}) => sources.includes(value)).map(({last_ms: ms}) => ms));
        if (this.view.mode !== 'watch' || !Number.isFinite(last)) {
            this.follow();
            return;
        }
        const width = View.WINDOWS[this.view.window];
        this.fix([last + width / 20 - width, last + width / 20]);
    }

    // -- what comes

    arrived(readings) {
        this.cameAt = Date.now();
        this.alarm.arrived(readings);
        if (this.place === '/fleet') {
            this.fleet.arrived(readings);
        }
        const shown = new Set(this.shownSources);
        this.fresh += this.tracks.arrived(readings.filter(({source}) => shown.has(source)), Date.now());
        if (this.place === '/' && this.painter.waited) {
            this.painter.showNow();
        }
    }

    imported() {
        this.tracks.imported(this.shownSources);
        this.totals.forget();
        this.screen.barsWanted = null;
        this.painter.draw();
    }

    // The server's list of sources came. A view that watches nothing yet watches the latest; a track that is behind is read again:
    // rows that other programs insert do not come through the socket.
    sourcesListed(options) {
        this.listed = options;
        this.bySource = new Map(options.map((each) => [each.value, each]));
        this.pollSources();
        this.screen.limit(this.only, this.limitOf(this.only), this.unit);
        if (this.view.mode === 'watch' && this.opened) {
            this.screen.picker(this.view.sources, options);
            if (!this.view.sources.length && options.length) {
                this.look({sources: [options[0].value]}, false);
                return;
            }
            const gone = this.view.sources.filter((source) => !this.bySource.has(source) && this.tracks.of(source).at.length);
            if (options.length < this.looks.maxListed) {
                gone.forEach((source) => this.tracks.forget(source)); // somebody deleted or renamed it
            }
            for (const {value, last_ms: last} of options.filter(({value: source}) => this.view.sources.includes(source))) {
                const track = this.tracks.of(value);
                const newest = Track.newest(track);
                if (newest && track.since !== Infinity && last > newest.at + BEHIND_MS) {
                    this.tracks.invalidate([value]);
                }
            }
        }
        this.painter.drawSoon();
    }

    // A person wants something of the server: if it is gone, nothing else would say so where no socket is open.
    askSoon() {
        if (this.place !== '/') {
            this.askedAt = -Infinity;
        }
    }

    // The server did not answer. request: the body of what Dash asked.
    undone(request) {
        if (request.includes('.n_clicks"')) {
            this.wasUndone = true;
            this.screen.unsay();
        }
        this.placeMissed ||= request.includes('"place-wanted.data"');
        this.showState();
    }

    // Asks the server how it is: at the start, rarely, and while something suggests that it cannot store or does not answer.
    async ask() {
        const now = Date.now();
        const {inFlight} = this.sender.outbox;
        const stuck = inFlight && now - inFlight.sentAt > ASK_AFTER_MS;
        // A socket cannot say why it was refused.
        const refused = this.link.phase === 'lost' && this.link.attempt !== this.askedAttempt;
        const failed = this.view.mode === 'watch' && this.place === '/' && this.tracks.failed;
        const urgent = stuck || refused || this.signedOut || failed || this.storage || this.frozen || this.gone || this.placeMissed || this.scriptMissed;
        const silent = (this.place !== '/' || !this.isFixed) && now - this.cameAt > ASK_SILENT_MS;
        if (this.asking || now - this.askedAt < (urgent ? 0 : silent ? ASK_SILENT_MS : ASK_EVERY_MS)) {
            return;
        }
        Object.assign(this, {asking: true, askedAt: now, askedAttempt: this.link.attempt});
        let late = false;
        const answer = await fetch('/readyz', {signal: AbortSignal.timeout(ANSWER_MS)}).catch(({name}) => {
            late = name === 'TimeoutError'; // otherwise the server is gone
            return null;
        });
        const told = answer && (await answer.json().catch(() => ({})));
        this.asking = false;
        this.frozen = late;
        if (this.scriptMissed && !answer?.ok) {
            this.scriptMissed = 'away';
        } else if (this.scriptMissed === 'away') {
            window.location.reload(); // React never asks again for what did not come
        }
        if (answer && this.placeMissed) {
            this.placeMissed = false;
            window.dash_clientside.set_props('place-wanted', {data: this.place});
        }
        this.gone = !answer && !late;
        if (this.signedOut !== (answer?.status === 401)) {
            this.signedOut = !this.signedOut;
            this.show();
        }
        this.storage = answer && !answer.ok && !this.signedOut ? told.detail ?? null : null;
        if (answer?.ok) {
            this.notDurable = told.durable === false ? told.durability : null;
            this.group = told.group ?? null;
        }
    }

    // -- what is said

    // Why the device of the mode gives no speed, or null.
    get deviceProblem() {
        return this.devices[this.view.mode]?.problem ?? null;
    }

    showState() {
        const {sender, storage, frozen, view} = this;
        const now = Date.now();
        const idle = this.watcher.sources.length === 0 && (view.mode === 'watch' || this.place === '/fleet');
        const gone = idle && this.gone;
        const state = Link.describe(this.link, {storage, frozen, gone, idle, online: navigator.onLine, now});
        document.getElementById('place').hidden = (this.gone || this.place === '/') && !this.placeIsHere;
        document.getElementById('status').hidden = idle && !gone && !frozen && this.place !== '/';
        const waiting = sender.outbox?.waiting.length ?? 0;
        this.screen.state(state, view.mode !== 'watch' || waiting ? `${waiting} waiting` : '', Words.notice(this), this.alarm.words, now);
        this.screen.text('go-live', this.fresh ? `Resume live, +${this.fresh} new` : 'Resume live');
    }
}
