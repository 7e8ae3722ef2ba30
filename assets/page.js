// The page at work: a second that passes and what Dash reports (a socket opened, a message came, a button was pressed) changes the
// view, the sender, the watcher or the tracks, and the screen shows it. This file only connects them.
window.dash_clientside = window.dash_clientside || {};

window.dash_clientside.speeddash = (() => {
    const REDRAW_MS = 100;
    const REFRESH_MS = 10_000;
    const IDLE_SHARE = 3; // times as long idle as drawing: the page stays usable however fast readings come
    const LEAD_MS = 5_000; // the line comes in from outside the edge
    const MAX_POINTS = 2_000; // more costs over 20 ms a redraw
    const ASK_STORAGE_AFTER_MS = 2_000;
    const BEHIND_MS = 2_000;

    const darkness = window.matchMedia('(prefers-color-scheme: dark)');
    const set = (id, props) => window.dash_clientside.set_props(id, props);

    let page = null; // {looks, view, screen, sender, watcher, tracks, ...} once `start` has run

    const make = (looks) => ({
        looks,
        view: null,
        problems: [], // what in the link makes no sense
        screen: new window.speeddash.Screen(),
        tracks: new window.speeddash.Tracks(drawSoon),
        sender: new window.speeddash.Sender({
            open: (query) => set('socket', {url: query && socketUrl('/ws', query)}),
            transmit: (text) => set('socket', {send: text}),
            stored: (readings) => {
                page.stored += readings.length;
                arrived(readings);
            },
        }),
        watcher: new window.speeddash.Watcher({
            open: (query) => set('live-socket', {url: query && socketUrl('/ws/live', query)}),
            transmit: (text) => set('live-socket', {send: text}),
            arrived: (readings) => arrived(readings),
            missed: (sources) => page.tracks.doubt(sources),
        }),
        drive: window.speeddash.drive.start(),
        tickedAt: null,
        gps: {watch: null, before: null, problem: null, lock: null},
        listed: null, // the sources that the server knows: [{value, last_ms}], the latest first; null before the first answer
        stored: 0,
        fresh: 0, // readings that came while the view stood still
        storage: null, // why the server cannot store, in its words
        redraw: null,
        drawCost: 0,
        drawnAt: 0,
        pixels: 1000,
        gap: 5_000,
        end: 100,
    });

    const socketUrl = (path, query) => {
        const {protocol, host} = window.location;
        return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}${path}?${new URLSearchParams(query)}`;
    };

    const unit = () => page.looks.units[page.view.unit];

    const theme = () => {
        const {theme: chosen} = page.view;
        return page.looks.themes[chosen === 'system' ? (darkness.matches ? 'dark' : 'light') : chosen];
    };

    const isFixed = () => window.speeddash.view.isFixed(page.view);

    const shownSources = () => (page.view.mode === 'watch' ? page.view.sources : [page.sender.source]);

    // -- the view

    // Everything that changes what a person looks at comes through here.
    const look = (changes) => {
        const {view: View} = window.speeddash;
        const wasFixed = isFixed();
        page.view = {...page.view, ...changes};
        if (!isFixed() || !wasFixed) {
            page.fresh = 0;
        }
        const own = page.sender.source;
        window.history.replaceState(null, '', window.location.pathname + View.format(page.view, page.looks.units));
        localStorage.setItem('speeddash.view', JSON.stringify(View.remembered(page.view)));
        const link = View.format({...page.view, mode: 'watch', sources: [own], from: null}, page.looks.units);
        page.screen.set('watch-link', {href: link});
        page.screen.text('source-name', own);
        page.screen.controls(page.view, unit());
        page.screen.picker(page.view.mode === 'watch' ? page.view.sources : [], page.listed);
        page.watcher.watch(page.view.mode === 'watch' ? page.view.sources : []);
        draw();
        showState();
    };

    const range = (now) => {
        const arrivals = shownSources().map((source) => page.tracks.of(source)).filter(({arrived: any}) => any);
        const newest = arrivals
            .map((track) => ({at: window.speeddash.track.newest(track).at, lag: track.arrived.lag}))
            .sort((a, b) => b.at - a.at)[0];
        return window.speeddash.view.range(page.view, now, newest ?? null);
    };

    const standStill = () => look(window.speeddash.view.fix(page.view, range(Date.now())));

    const follow = () => look(window.speeddash.view.follow(page.view));

    const move = (share) => {
        const [from, to] = range(Date.now());
        look(window.speeddash.view.fix(page.view, [from, to].map((end) => end + share * (to - from))));
    };

    const mode = (chosen) => {
        stopGps();
        page.problems = [];
        if (chosen === 'gps') {
            startGps();
        }
        look({mode: chosen, sources: [], from: null, to: null});
        if (chosen !== 'watch') {
            page.tickedAt = null;
            page.sender.wake();
        }
    };

    const next = (choices, current) => choices[(choices.indexOf(current) + 1) % choices.length];

    // -- readings

    const arrived = (readings) => {
        const now = Date.now();
        const shown = new Set(shownSources());
        const added = page.tracks.arrived(readings.filter(({source}) => shown.has(source)), now);
        page.fresh += added;
        if (now - page.drawnAt > REDRAW_MS) {
            showNow();
        }
    };

    const startGps = () => {
        const {gps: Gps} = window.speeddash;
        const {gps} = page;
        gps.problem = !window.isSecureContext ? Gps.INSECURE : !navigator.geolocation ? Gps.MISSING : null;
        if (gps.problem) {
            return;
        }
        const located = (position) => {
            const fix = Gps.fix(position);
            if (gps.before && fix.at <= gps.before.at) {
                return;
            }
            const speed = Gps.speed(gps.before, fix);
            gps.before = fix;
            gps.problem = null;
            if (speed !== null) {
                page.sender.measure(speed, fix.at);
            }
            showState();
        };
        const failed = ({code}) => {
            gps.problem = Gps.problem(code);
            showState();
        };
        gps.watch = navigator.geolocation.watchPosition(located, failed, {enableHighAccuracy: true, maximumAge: 0, timeout: 30_000});
        stayAwake();
    };

    const stopGps = () => {
        const {gps} = page;
        if (gps.watch !== null) {
            navigator.geolocation.clearWatch(gps.watch);
        }
        gps.lock?.release();
        page.gps = {watch: null, before: null, problem: null, lock: null};
    };

    // The screen stays on while this device's GPS sends; a hidden page loses the lock and asks again when it is seen.
    const stayAwake = () => {
        if (page.gps.watch === null || document.hidden || !navigator.wakeLock) {
            return;
        }
        navigator.wakeLock.request('screen').then(
            (lock) => {
                page.gps.lock = lock;
            },
            (refused) => console.info('the screen may turn off', refused), // a nearly empty battery, for example
        );
    };

    // -- showing

    const link = () => (page.view.mode === 'watch' ? page.watcher.link : page.sender.link);

    const showState = () => {
        const {link: Link} = window.speeddash;
        const {sender, storage, gps, view} = page;
        const now = Date.now();
        const resting = view.mode === 'watch' && !view.sources.length;
        const state = resting
            ? {text: 'Nothing watched', kind: 'connecting'}
            : Link.describe(link(), {storage, online: navigator.onLine, fixed: isFixed(), now});
        const waiting = sender.outbox.waiting.length;
        const notices = [
            ...page.problems,
            storage && `The server cannot store: ${storage.replace(/\.?$/, '.')} Readings wait here until it can.`,
            view.mode === 'gps' && gps.problem,
            sender.refused && `${sender.refused.count} refused: ${sender.refused.why}`,
            sender.overflow && `This browser’s memory is full: ${waiting} readings wait in this tab alone. Leave it open.`,
        ].filter(Boolean);
        page.screen.state(state, view.mode !== 'watch' || waiting ? `${waiting} waiting` : '', notices.join(' · '), now);
        const still = isFixed();
        page.screen.set('pause', {children: still ? 'Go on' : 'Pause', 'aria-pressed': String(still)});
        page.screen.set('go-live', {hidden: !still, children: page.fresh ? `Back to live, +${page.fresh} new` : 'Back to live'});
    };

    // The latest reading that is known of a source: what came last, or the end of what is shown.
    const latest = (track, points) => {
        const held = window.speeddash.track.newest(track);
        const shown = points?.buckets.at(-1);
        return held ?? (shown ? {at: shown.lastAt, speed: shown.last} : null);
    };

    const showNow = () => {
        const now = Date.now();
        const [source] = shownSources();
        const track = source === undefined ? null : page.tracks.of(source);
        const reading = track && latest(track, page.screen.shown?.series[0]?.points);
        const seen = Math.max(track?.arrived?.when ?? 0, reading?.at ?? 0);
        const stale = link().phase !== 'live' || Boolean(page.storage) || now - seen > page.gap;
        page.screen.now(reading, unit(), page.end, page.view.limit, stale);
        page.screen.text('stored', page.stored.toLocaleString('en'));
    };

    // A second that passed moves a wide window by less than a pixel: then there is nothing to draw. One that stands still is drawn
    // now and then all the same, because drawing asks again for what could not be read.
    const drawIfMoved = () => {
        const [from, to] = range(Date.now());
        if (Date.now() - page.drawnAt >= (isFixed() ? REFRESH_MS : Math.min(REFRESH_MS, (to - from) / page.pixels))) {
            drawSoon();
        }
    };

    const drawSoon = () => {
        const idle = Math.max(REDRAW_MS, IDLE_SHARE * page.drawCost);
        page.redraw ??= setTimeout(draw, Math.max(REDRAW_MS / 2, page.drawnAt + idle - Date.now()));
    };

    const draw = () => {
        clearTimeout(page.redraw);
        page.redraw = null;
        const graph = document.querySelector('#live-graph');
        if (document.hidden || !page.view || !graph) {
            return;
        }
        const {track: Track, units: Units, chart: Chart} = window.speeddash;
        const began = performance.now();
        const now = Date.now();
        const sources = shownSources();
        const {limit} = page.view;
        const [from, to] = range(now);
        const lead = Math.min(LEAD_MS, (to - from) / 5);
        const pixels = Math.min(MAX_POINTS / 2, Math.max(100, Math.round(graph.clientWidth - 80)));
        page.pixels = pixels;
        page.tracks.require(sources, from - lead, isFixed() ? to + lead : null, pixels);
        const series = sources.map((source, colour) => ({
            source, colour, points: Track.points(page.tracks.of(source), from - lead, to + lead, 2 * pixels),
        }));
        const inside = series.map(({points: {width, buckets}}) => ({
            width, buckets: buckets.filter(({firstAt, lastAt}) => lastAt >= from && firstAt <= to),
        }));
        const summaries = inside.map(Track.summary);
        const highest = Math.max(limit ?? 0, ...summaries.map((each) => each?.maximum ?? 0));
        page.end = Units.end(highest, unit());
        page.gap = series.length ? Track.gapMs(series[0].points) : page.gap;
        const narrow = graph.clientWidth < 600;
        const shown = {look: theme(), unit: unit(), series, range: [from, to], limit, top: Units.top(highest, unit()), narrow};
        const readings = page.screen.chart(shown);
        page.screen.figures(rows(series, summaries, now), unit());
        page.screen.message(...message(readings, sources));
        const events = limit === null ? [] : series.flatMap(({source, points}) =>
            Track.above(points, limit).filter((each) => each.to >= from && each.from <= to).map((each) => ({source: Chart.name(source), ...each})));
        page.screen.events(events.sort((a, b) => b.from - a.from), limit, series.length > 1, unit());
        if (page.tableFrom !== undefined && now - page.tableFrom > 10_000) {
            page.tableFrom = now;
            page.screen.table(Chart.table(shown), unit());
        }
        showNow();
        page.drawnAt = Date.now();
        const plot = graph.querySelector('.js-plotly-plot');
        plot?.once?.('plotly_afterplot', () => {
            page.drawCost = performance.now() - began; // Plotly draws later than its figure is set
        });
    };

    const rows = (series, summaries, now) => series.map(({source, colour, points}, n) => {
        const {chart: Chart} = window.speeddash;
        const reading = latest(page.tracks.of(source), points);
        const today = reading && new Date(reading.at).toDateString() === new Date(now).toDateString();
        const last = reading && Chart.local(reading.at).slice(today ? 11 : 0, 19).replace('T', ' ');
        const {lines} = theme();
        return {
            source: Chart.name(source), colour: lines[colour % lines.length], summary: summaries[n], last,
            speed: reading?.speed,
        };
    });

    // What stands where the chart has nothing to show: [text or null, whether the latest can be shown instead].
    const message = (readings, sources) => {
        const {view, tracks, gps, listed} = page;
        if (readings) {
            return [null, false];
        }
        if (!sources.length) {
            return listed === null
                ? ['Looking for sources', false]
                : [listed.length ? 'Choose a source to watch.' : 'Nothing stored yet. A source appears here as soon as it sends.', false];
        }
        if (tracks.failed) {
            return [`History cannot be read: ${tracks.failed}`, false];
        }
        if (tracks.loading) {
            return ['Loading', false];
        }
        if (isFixed()) {
            return ['No data in this range.', true];
        }
        return {
            simulate: ['Waiting for the first stored reading.', false],
            gps: [gps.problem ? 'No speed from this device.' : 'Waiting for this device’s GPS.', false],
            watch: ['No data in this window.', (listed ?? []).some(({value}) => sources.includes(value))],
        }[view.mode];
    };

    const showLatest = () => {
        const sources = shownSources();
        const last = Math.max(...(page.listed ?? []).filter(({value}) => sources.includes(value)).map(({last_ms: ms}) => ms));
        if (page.view.mode !== 'watch' || !Number.isFinite(last)) {
            follow();
            return;
        }
        const width = window.speeddash.view.WINDOWS[page.view.window];
        look(window.speeddash.view.fix(page.view, [last + width / 20 - width, last + width / 20]));
    };

    const askStorage = async () => {
        const flight = page.sender.outbox.inFlight;
        const stuck = flight && Date.now() - flight.sentAt > ASK_STORAGE_AFTER_MS;
        if (!stuck && !(page.view.mode === 'watch' && page.tracks.failed) && !page.storage) {
            return;
        }
        const answer = await fetch('/readyz').catch(() => null); // the server is gone: the socket says so
        page.storage = answer && !answer.ok ? (await answer.json()).detail : null;
    };

    // -- exports

    const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

    const exportPng = () => {
        const {figure, name} = window.speeddash.chart.picture(page.screen.shown, zone());
        const graph = document.querySelector('#live-graph');
        window.Plotly.downloadImage(figure, {
            format: 'png', scale: 2, width: Math.max(800, graph.clientWidth), height: Math.max(400, graph.clientHeight), filename: name,
        });
    };

    const exportCsv = () => {
        const {text, name} = window.speeddash.chart.csv(page.screen.shown, zone());
        const url = URL.createObjectURL(new Blob([text], {type: 'text/csv'}));
        Object.assign(document.createElement('a'), {href: url, download: name}).click();
        setTimeout(() => URL.revokeObjectURL(url), 60_000);
    };

    const toggleTable = () => {
        const open = page.tableFrom === undefined;
        page.tableFrom = open ? 0 : undefined;
        page.screen.set('table', {hidden: !open});
        page.screen.set('show-table', {'aria-pressed': String(open), children: open ? 'As a chart' : 'As a table'});
        document.querySelector('.plot').classList.toggle('as-table', open);
        draw();
    };

    const fullScreen = () => (
        document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.() // an iPhone has none
    );

    const help = () => {
        page.screen.set('keys-text', {children: page.looks.help});
        document.querySelector('#keys').showModal();
    };

    const actions = {
        pause: () => (isFixed() ? follow() : standStill()),
        'go-live': follow,
        earlier: () => move(-0.5),
        later: () => move(0.5),
        'show-latest': showLatest,
        'export-png': exportPng,
        'export-csv': exportCsv,
        'show-table': toggleTable,
        fullscreen: fullScreen,
        driving: () => look({drive: true}),
        'leave-driving': () => look({drive: false, mirror: false}),
        mirror: () => look({mirror: !page.view.mirror}),
        help,
        'close-help': () => document.querySelector('#keys').close(),
    };

    const windowKeys = () => Object.fromEntries(Object.keys(window.speeddash.view.WINDOWS).map((name, n) => [
        String(n + 1), () => look({...window.speeddash.view.follow(page.view), window: name}),
    ]));

    const keys = () => ({
        ' ': actions.pause,
        ...windowKeys(),
        ArrowLeft: actions.earlier,
        ArrowRight: actions.later,
        l: follow,
        u: () => look({unit: next(Object.keys(page.looks.units), page.view.unit)}),
        t: () => look({theme: next(['light', 'dark', 'system'], page.view.theme)}),
        d: () => look({drive: !page.view.drive, mirror: false}),
        m: actions.mirror,
        f: fullScreen,
        '?': help,
        Escape: () => page.view.drive && actions['leave-driving'](),
    });

    // A key belongs to the page unless a person is typing, choosing, or has a button under it.
    const keyDown = (event) => {
        const busy = event.target.closest('input, textarea, select, dialog, [role=listbox], [contenteditable]');
        const onButton = event.key === ' ' && event.target.closest('button, a, summary, input');
        const action = keys()[event.key];
        if (!action || busy || onButton || event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        event.preventDefault();
        action();
    };

    const choices = {
        source: (value) => value !== page.view.mode && mode(value),
        watched: (value) => page.view.mode === 'watch' && look({sources: value ?? []}),
        window: (value) => look({...window.speeddash.view.follow(page.view), window: value}),
        unit: (value) => look({unit: value}),
        theme: (value) => look({theme: value}),
        limit: (value) => look({limit: value > 0 ? value * unit().kmh : null}),
        from: () => between(),
        to: () => between(),
    };

    const clicked = ({target}) => {
        const button = target.closest('[data-value]');
        if (button) {
            choices[button.parentElement.id](button.dataset.value);
        }
    };

    // A range is shown as soon as both its ends are there and in order.
    const between = () => {
        const {chart: Chart, view: View} = window.speeddash;
        const given = ['from', 'to'].map((id) => document.getElementById(id).value);
        const [from, to] = given.map((text) => (text ? Chart.instant(text) : null));
        if (from === null && to === null) {
            follow();
        } else if (from !== null && to !== null && from < to) {
            page.problems = [];
            look(View.fix(page.view, [from, to]));
        } else {
            page.problems = from !== null && to !== null ? ['From must be before To.'] : [];
            showState();
        }
    };

    // -- what Dash reports

    const start = async (looks) => {
        const {view: View} = window.speeddash;
        const begun = make(looks);
        const remembered = JSON.parse(localStorage.getItem('speeddash.view') ?? '{}');
        const {view, problems} = View.parse(window.location.search, remembered, looks.units, Date.now());
        await begun.sender.claim((view.mode !== 'watch' && view.sources[0]) || window.speeddash.ownName());
        page = begun;
        Object.assign(page, {view, problems});
        if (view.mode === 'gps') {
            startGps();
        }
        if (view.mode !== 'watch' || page.sender.outbox.waiting.length) {
            page.sender.wake();
        }
        darkness.addEventListener('change', draw);
        document.addEventListener('click', clicked);
        document.addEventListener('keydown', keyDown);
        document.addEventListener('visibilitychange', () => {
            stayAwake();
            draw();
        });
        window.addEventListener('online', () => page.watcher.sources.length && page.watcher.connect());
        look({});
        tick();
        // Not a dcc.Interval: a callback of Dash each second was half of what an idle page costs (35 ms a second).
        setInterval(tick, 1000);
    };

    const tick = () => {
        const now = Date.now();
        if (page.view.mode === 'simulate') {
            page.drive = window.speeddash.drive.advance(page.drive, (now - (page.tickedAt ?? now)) / 1000, Math.random);
            page.tickedAt = now;
            page.sender.measure(page.drive.speed, now);
        } else if (page.view.mode === 'watch') {
            page.sender.rest();
        }
        page.sender.tick(now);
        page.watcher.tick(now);
        askStorage();
        showState();
        showNow();
        drawIfMoved();
    };

    const senderChanged = (state) => {
        if (page && state) {
            page.sender.changed(state.readyState);
            if (state.readyState === WebSocket.OPEN) {
                page.tracks.doubt([page.sender.source]);
            }
            showState();
        }
    };

    const senderReceived = (message) => {
        if (page && message) {
            page.sender.received(message.data);
            showState();
        }
    };

    const watcherChanged = (state) => {
        if (page && state) {
            page.watcher.changed(state.readyState);
            showState();
        }
    };

    const watcherReceived = (message) => {
        if (page && message) {
            page.watcher.received(message.data);
        }
    };

    // The server's list of sources came. Who watches nothing yet watches the latest; who is behind reads again: what is written
    // to the table by others does not come through the socket.
    const sourcesListed = (options) => {
        if (!page || !options || page.view.mode !== 'watch') {
            return;
        }
        page.listed = options;
        page.screen.picker(page.view.sources, options);
        if (!page.view.sources.length && options.length) {
            look({sources: [options[0].value]});
            return;
        }
        for (const {value, last_ms: last} of options.filter(({value: source}) => page.view.sources.includes(source))) {
            const track = page.tracks.of(value);
            const newest = window.speeddash.track.newest(track);
            if (newest && track.since !== Infinity && last > newest.at + BEHIND_MS) {
                page.tracks.doubt([value]);
            }
        }
        drawSoon();
    };

    const zoomed = (relayout) => {
        if (!page || !relayout) {
            return;
        }
        if (relayout['xaxis.range[0]']) {
            const ends = [relayout['xaxis.range[0]'], relayout['xaxis.range[1]']];
            look(window.speeddash.view.fix(page.view, ends.map(window.speeddash.chart.instant)));
        } else if (relayout['xaxis.autorange'] || relayout['xaxis.range']) {
            follow();
        }
    };

    const triggered = () => window.dash_clientside.callback_context.triggered.map(({prop_id: prop, value}) => [prop.split('.')[0], value]);

    const pressed = () => {
        triggered().forEach(([id, clicks]) => page && clicks && actions[id]());
    };

    const chosen = () => {
        for (const [id, value] of page ? triggered() : []) {
            if (page.screen.chosen(id, value)) {
                choices[id](value);
            }
        }
    };

    return {
        start, senderChanged, senderReceived, watcherChanged, watcherReceived, sourcesListed, zoomed, pressed, chosen,
    };
})();
