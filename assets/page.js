// The page at work: what a person looks at, and who brings the readings for it.
window.speeddash = window.speeddash || {};

window.speeddash.Page = (() => {
    const ASK_STORAGE_AFTER_MS = 2_000;
    const ASK_STORAGE_EVERY_MS = 60_000;
    const BEHIND_MS = 2_000;

    const darkness = window.matchMedia('(prefers-color-scheme: dark)');
    const set = (id, props) => window.dash_clientside.set_props(id, props);

    const socketUrl = (path, query) => {
        const {protocol, host} = window.location;
        return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}${path}?${new URLSearchParams(query)}`;
    };

    return class {
        // looks: figures.looks(); view and problems: what the link asks for, and what in it makes no sense.
        constructor(looks, {view, problems}) {
            const {Screen, Tracks, Sender, Watcher, GpsSession, Painter, Stored, Controls, drive} = window.speeddash;
            if (!looks.maySend && view.mode !== 'watch') {
                Object.assign(view, {mode: 'watch', sources: []});
            }
            Object.assign(this, {looks, view, problems});
            this.screen = new Screen();
            this.painter = new Painter(this);
            this.stored = new Stored(this);
            this.controls = new Controls(this);
            this.tracks = new Tracks({changed: () => this.painter.drawSoon(), came: () => this.painter.drawArrived()});
            this.sender = new Sender({
                open: (query) => set('socket', {url: query && socketUrl('/ws', query)}),
                transmit: (text) => set('socket', {send: text}),
                stored: (readings) => {
                    this.receipts += readings.length;
                    this.arrived(readings);
                },
            });
            this.watcher = new Watcher({
                open: (query) => set('live-socket', {url: query && socketUrl('/ws/live', query)}),
                transmit: (text) => set('live-socket', {send: text}),
                arrived: (readings) => this.arrived(readings),
                missed: (sources) => this.tracks.doubt(sources),
            });
            this.gps = new GpsSession({
                measured: (speed, at) => this.sender.measure(speed, at),
                changed: () => this.showState(),
            });
            this.drive = drive.start();
            this.tickedAt = null;
            this.listed = null; // the sources that the server knows: [{value, last_ms}], the latest first; null before the first answer
            this.receipts = 0; // readings stored in this visit
            this.fresh = 0; // readings that came while the view stood still
            this.storage = null; // why the server cannot store, in its words
            this.signedOut = false; // the server does not know this browser any more
            this.askedAttempt = 0; // which try to connect the server was last asked about
            this.fickle = null; // the settings with which a commit is not durable
            Object.assign(this, {asking: false, askedAt: -Infinity});
        }

        async start() {
            await this.sender.claim((this.view.mode !== 'watch' && this.view.sources[0]) || window.speeddash.ownName());
            if (this.view.mode === 'gps') {
                this.gps.start();
            }
            if (this.looks.maySend && (this.view.mode !== 'watch' || this.sender.outbox.waiting.length)) {
                this.sender.wake();
            }
            this.controls.listen();
            if (this.looks.maySend) {
                this.stored.import.listen();
            }
            darkness.addEventListener('change', () => this.painter.draw());
            document.addEventListener('visibilitychange', () => {
                this.gps.stayAwake();
                this.painter.draw();
            });
            window.addEventListener('online', () => this.watcher.sources.length && this.watcher.connect());
            this.look({});
            this.tick();
            // Not a dcc.Interval: a callback of Dash each second was half of what an idle page costs (35 ms a second).
            setInterval(() => this.tick(), 1000);
        }

        tick() {
            const now = Date.now();
            if (this.view.mode === 'simulate') {
                this.drive = window.speeddash.drive.advance(this.drive, (now - (this.tickedAt ?? now)) / 1000, Math.random);
                this.tickedAt = now;
                this.sender.measure(this.drive.speed, now);
            } else if (this.view.mode === 'watch') {
                this.sender.rest();
            }
            this.sender.tick(now);
            this.watcher.tick(now);
            this.askStorage();
            this.showState();
            this.painter.showNow();
            this.painter.drawIfMoved();
            this.stored.list();
        }

        get unit() {
            return this.looks.units[this.view.unit];
        }

        get theme() {
            const {theme} = this.view;
            return this.looks.themes[theme === 'system' ? (darkness.matches ? 'dark' : 'light') : theme];
        }

        get isFixed() {
            return window.speeddash.view.isFixed(this.view);
        }

        get shownSources() {
            return this.view.mode === 'watch' ? this.view.sources : [this.sender.source];
        }

        // The one source that is shown, or null where there are none or several.
        get only() {
            const {shownSources: sources} = this;
            return sources.length === 1 ? sources[0] : null;
        }

        // km/h or null: what the link brings, else what the server keeps for the source.
        get limit() {
            return this.view.limit ?? (this.only === null ? null : this.stored.limits.of(this.only));
        }

        get link() {
            return this.view.mode === 'watch' ? this.watcher.link : this.sender.link;
        }

        // -- what is looked at

        // Everything that changes what a person looks at comes through here.
        look(changes) {
            const {view: View} = window.speeddash;
            const wasFixed = this.isFixed;
            this.view = {...this.view, ...changes};
            if (!this.isFixed || !wasFixed) {
                this.fresh = 0;
            }
            const own = this.sender.source;
            window.history.replaceState(null, '', window.location.pathname + View.format(this.view, this.looks.units));
            localStorage.setItem('speeddash.view', JSON.stringify(View.remembered(this.view)));
            const link = View.format({...this.view, mode: 'watch', sources: [own], from: null}, this.looks.units);
            this.screen.set('watch-link', {href: link});
            this.screen.text('source-name', own);
            this.screen.controls(this.view, this.unit, this.limit);
            this.screen.picker(this.view.mode === 'watch' ? this.view.sources : [], this.listed);
            this.watcher.watch(this.view.mode === 'watch' ? this.view.sources : []);
            this.stored.manage.about(this.view.mode === 'watch' && this.looks.maySend ? this.only : null);
            this.painter.draw();
            this.showState();
        }

        // [from, to] in epoch ms.
        range(now) {
            const arrivals = this.shownSources.map((source) => this.tracks.of(source)).filter(({arrived: any}) => any);
            const newest = arrivals
                .map((track) => ({at: window.speeddash.track.newest(track).at, lag: track.arrived.lag}))
                .sort((a, b) => b.at - a.at)[0];
            return window.speeddash.view.range(this.view, now, newest ?? null);
        }

        fix(range) {
            this.look(window.speeddash.view.fix(this.view, range));
        }

        standStill() {
            this.fix(this.range(Date.now()));
        }

        follow() {
            this.look(window.speeddash.view.follow(this.view));
        }

        move(share) {
            const [from, to] = this.range(Date.now());
            this.fix([from, to].map((end) => end + share * (to - from)));
        }

        mode(chosen) {
            this.gps.stop();
            this.problems = [];
            if (chosen === 'gps') {
                this.gps.start();
            }
            this.look({mode: chosen, sources: [], from: null, to: null});
            if (chosen !== 'watch') {
                this.tickedAt = null;
                this.sender.wake();
            }
        }

        showLatest() {
            const sources = this.shownSources;
            const last = Math.max(...(this.listed ?? []).filter(({value}) => sources.includes(value)).map(({last_ms: ms}) => ms));
            if (this.view.mode !== 'watch' || !Number.isFinite(last)) {
                this.follow();
                return;
            }
            const width = window.speeddash.view.WINDOWS[this.view.window];
            this.fix([last + width / 20 - width, last + width / 20]);
        }

        // -- what comes

        arrived(readings) {
            const shown = new Set(this.shownSources);
            this.fresh += this.tracks.arrived(readings.filter(({source}) => shown.has(source)), Date.now());
            if (this.painter.waited) {
                this.painter.showNow();
            }
        }

        // The server's list of sources came. Who watches nothing yet watches the latest; who is behind reads again: what is
        // written to the table by others does not come through the socket.
        sourcesListed(options) {
            if (this.view.mode !== 'watch') {
                return;
            }
            this.listed = options;
            this.screen.picker(this.view.sources, options);
            if (!this.view.sources.length && options.length) {
                this.look({sources: [options[0].value]});
                return;
            }
            for (const {value, last_ms: last} of options.filter(({value: source}) => this.view.sources.includes(source))) {
                const track = this.tracks.of(value);
                const newest = window.speeddash.track.newest(track);
                if (newest && track.since !== Infinity && last > newest.at + BEHIND_MS) {
                    this.tracks.doubt([value]);
                }
            }
            this.painter.drawSoon();
        }

        // At the start, rarely, and while something suggests that the server cannot store.
        async askStorage() {
            const now = Date.now();
            const flight = this.sender.outbox.inFlight;
            const stuck = flight && now - flight.sentAt > ASK_STORAGE_AFTER_MS;
            // A socket cannot say why it was refused.
            const refused = this.link.phase === 'lost' && this.link.attempt !== this.askedAttempt;
            const doubtful = stuck || refused || this.signedOut || (this.view.mode === 'watch' && this.tracks.failed) || this.storage;
            if (this.asking || (!doubtful && now - this.askedAt < ASK_STORAGE_EVERY_MS)) {
                return;
            }
            Object.assign(this, {asking: true, askedAt: now, askedAttempt: this.link.attempt});
            const answer = await fetch('/readyz').catch(() => null); // the server is gone: the socket says so
            const said = answer && (await answer.json().catch(() => ({})));
            this.asking = false;
            this.signedOut = answer?.status === 401;
            this.screen.set('sources-poll', {disabled: this.signedOut || this.view.mode !== 'watch'});
            this.storage = answer && !answer.ok && !this.signedOut ? said.detail ?? null : null;
            if (answer?.ok) {
                this.fickle = said.durable === false ? said.durability : null;
            }
        }

        // -- what is said

        showState() {
            const {link: Link, words: Words} = window.speeddash;
            const {sender, storage, signedOut, fickle, view} = this;
            const now = Date.now();
            const resting = view.mode === 'watch' && !view.sources.length;
            const state = resting
                ? {text: 'Nothing watched', kind: 'connecting'}
                : Link.describe(this.link, {storage, online: navigator.onLine, fixed: this.isFixed, now});
            const waiting = sender.outbox.waiting.length;
            const problems = [...this.problems, this.stored.limits.problem, view.mode === 'gps' && this.gps.problem];
            const notice = Words.notice({problems, storage, signedOut, fickle, refused: sender.refused, overflow: sender.overflow, waiting});
            this.screen.state(state, view.mode !== 'watch' || waiting ? `${waiting} waiting` : '', notice, now);
            this.screen.still(this.isFixed, this.fresh);
        }

        // What `words.empty` wants to know.
        circumstances() {
            const {view: {mode}, isFixed: fixed, shownSources: sources, listed, tracks: {failed, loading}, gps} = this;
            return {mode, fixed, sources, listed, failed, loading, gpsProblem: gps.problem};
        }
    };
})();
