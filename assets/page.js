// The page at work: one state, changed by what Dash reports (a second has passed, the socket opened, a message came) and shown
// through set_props. What it decides is in outbox.js, drive.js, chart.js and link.js; this file only connects them.
// Dash loads assets in the order of their names, so those four are there when this one runs.
window.dash_clientside = window.dash_clientside || {};

window.dash_clientside.speeddash = (() => {
    const {outbox: Outbox, drive: Drive, chart: Chart, link: Link} = window.speeddash;
    const REDRAW_MS = 100;
    const ASK_STORAGE_AFTER_MS = 2_000;

    const set = (id, props) => window.dash_clientside.set_props(id, props);
    const dark = window.matchMedia('(prefers-color-scheme: dark)');

    const page = {
        themes: null,
        outbox: null,
        link: Link.start(),
        drive: Drive.start(),
        tickedAt: null,
        readings: [],
        stored: 0,
        range: null, // what a person zoomed to; null follows
        storage: null, // why the server cannot store, in its words
        refused: null, // readings that the server would never take: how many, and why the last
        redraw: null,
        shown: null,
    };

    // -- the browser's memory: a source a tab, and what it has not delivered

    const claimSource = async () => {
        const browser = localStorage.getItem('speeddash.browser') ?? Math.random().toString(36).slice(2, 6);
        localStorage.setItem('speeddash.browser', browser);
        if (!navigator.locks) {
            // Plain HTTP from another machine: a name for this tab, which a reload keeps.
            const tab = sessionStorage.getItem('speeddash.tab') ?? Math.random().toString(36).slice(2, 6);
            sessionStorage.setItem('speeddash.tab', tab);
            return `page-${browser}-${tab}`;
        }
        // The first number that no other tab of this browser holds; held until this tab goes.
        for (let n = 1; ; n += 1) {
            const source = `page-${browser}-${n}`;
            const held = await new Promise((resolve) => {
                navigator.locks.request(source, {ifAvailable: true}, (lock) => {
                    resolve(lock !== null);
                    return lock && new Promise(() => {});
                });
            });
            if (held) {
                return source;
            }
        }
    };

    const remember = () => {
        try {
            localStorage.setItem(`speeddash.outbox.${page.outbox.source}`, JSON.stringify(Outbox.kept(page.outbox)));
        } catch (full) {
            console.warn('the outbox is kept in memory alone', full);
        }
    };

    // -- sending

    const send = () => {
        if (page.link.phase !== 'live') {
            return;
        }
        const before = page.outbox.inFlight;
        page.outbox = Outbox.fly(page.outbox, Date.now());
        if (page.outbox.inFlight !== before) {
            set('socket', {send: page.outbox.inFlight.text});
        }
    };

    const connect = () => {
        const {protocol, host} = window.location;
        // A new value each time: the component opens a socket only when its url changes.
        const query = new URLSearchParams({source: page.outbox.source, try: page.link.attempt});
        set('socket', {url: `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws?${query}`});
    };

    // -- showing

    const showState = () => {
        const {text, kind} = Link.describe(page.link, {storage: page.storage, now: Date.now()});
        set('status', {children: text, className: `status ${kind}`});
        set('speed-now', {className: kind === 'live' ? '' : 'stale'});
        const refused = page.refused ? `, ${page.refused.count} refused: ${page.refused.why}` : '';
        set('waiting', {children: `${page.outbox.waiting.length} waiting${refused}`});
    };

    const draw = () => {
        page.redraw = null;
        if (document.hidden || !page.themes) {
            return;
        }
        const range = page.range ?? Chart.liveRange(page.readings, Date.now());
        const narrow = window.matchMedia('(max-width: 800px)').matches;
        page.shown = Chart.figure(page.themes[dark.matches ? 'dark' : 'light'], page.readings, range, narrow);
        set('live-graph', {figure: page.shown});
        set('go-live', {hidden: page.range === null});
        set('stored', {children: page.stored.toLocaleString()});
        const summary = Chart.summary(page.readings, range);
        set('average', {children: summary ? `${summary.average.toFixed(1)} km/h` : '–'});
        set('maximum', {children: summary ? `${summary.maximum.toFixed(1)} km/h` : '–'});
        const last = page.readings.at(-1);
        if (last) {
            set('speed-now', {children: last.speed.toFixed(0)});
            set('last-time', {children: new Date(last.at).toLocaleTimeString([], {hour12: false})});
        }
    };

    const drawSoon = () => {
        page.redraw ??= setTimeout(draw, REDRAW_MS);
    };

    const show = (readings) => {
        const news = readings.map((reading) => ({...reading, at: Date.parse(reading.timestamp)}));
        page.readings = Chart.merge(page.readings, news);
        drawSoon();
    };

    const keep = (readings) => {
        page.stored += readings.length;
        show(readings);
    };

    // What is stored since the newest reading that is shown, or since the window's beginning: after a reload, and for what came
    // while the connection was away. Merged by identity, so that nothing is double at the seam.
    const catchUp = async () => {
        const from = page.readings.at(-1)?.at ?? Date.now() - Chart.WINDOW_MS;
        const query = new URLSearchParams({source: page.outbox.source, from: new Date(from).toISOString(), limit: 2000});
        const answer = await fetch(`/api/v1/readings?${query}`).catch(() => null);
        if (answer?.ok) {
            show((await answer.json()).readings);
        } // else the database or the server is away, which the state says; the next connection tries again
    };

    const askStorage = async () => {
        const flight = page.outbox.inFlight;
        if (!flight || Date.now() - flight.sentAt < ASK_STORAGE_AFTER_MS) {
            page.storage = null;
            return;
        }
        try {
            const answer = await fetch('/readyz');
            page.storage = answer.ok ? null : (await answer.json()).detail;
        } catch {
            page.storage = null; // the server is gone; the socket will say so
        }
    };

    // -- what Dash reports

    const start = async (themes) => {
        page.themes = themes;
        const source = await claimSource();
        const kept = localStorage.getItem(`speeddash.outbox.${source}`);
        page.outbox = Outbox.create(source, kept && JSON.parse(kept));
        set('source-name', {children: source});
        dark.addEventListener('change', drawSoon);
        document.addEventListener('visibilitychange', drawSoon);
        connect();
        draw();
    };

    const tick = (seconds) => {
        if (!seconds || !page.outbox) {
            return;
        }
        const now = Date.now();
        page.drive = Drive.advance(page.drive, (now - (page.tickedAt ?? now)) / 1000, Math.random);
        page.tickedAt = now;
        page.outbox = Outbox.add(page.outbox, Number(page.drive.speed.toFixed(1)), new Date(now));
        if (Link.due(page.link, now) || Link.silent(page.link, page.outbox.inFlight, now)) {
            page.outbox = Outbox.land(page.outbox);
            page.link = Link.retry(page.link);
            connect();
        }
        send();
        remember();
        askStorage();
        showState();
        drawSoon();
    };

    const connectionChanged = (state) => {
        if (!page.outbox || !state) {
            return;
        }
        if (state.readyState === WebSocket.OPEN) {
            page.link = Link.opened(page.link);
            catchUp();
            send();
        } else if (state.readyState === WebSocket.CLOSED) {
            page.outbox = Outbox.land(page.outbox);
            page.link = Link.closed(page.link, Date.now(), Math.random);
        }
        showState();
    };

    const received = (message) => {
        if (!page.outbox || !message) {
            return;
        }
        const {outbox, confirmed} = Outbox.confirm(page.outbox, message.data);
        page.outbox = outbox;
        if (confirmed.length) {
            page.link = Link.answered(page.link);
            keep(confirmed);
        } else {
            const frame = JSON.parse(message.data);
            if (frame.error) {
                const {outbox: rest, refused} = Outbox.refuse(page.outbox, frame.error.index);
                page.outbox = rest;
                if (refused) {
                    page.refused = {count: (page.refused?.count ?? 0) + 1, why: frame.error.message};
                }
            } else {
                keep([frame].flat().filter(({seq}) => seq !== undefined)); // sent to this connection by POST /send
            }
        }
        send();
        remember();
        showState();
    };

    const zoomed = (relayout) => {
        if (relayout?.['xaxis.range[0]']) {
            page.range = [relayout['xaxis.range[0]'], relayout['xaxis.range[1]']];
            drawSoon();
        } else if (relayout?.['xaxis.autorange'] || relayout?.['xaxis.range']) {
            page.range = null;
            drawSoon();
        }
    };

    const goLive = (clicks) => {
        if (clicks) {
            page.range = null;
            drawSoon();
        }
    };

    const exportPng = (clicks) => {
        if (!clicks || !page.shown) {
            return;
        }
        const graph = document.querySelector('#live-graph .js-plotly-plot');
        const ground = getComputedStyle(document.querySelector('.chart')).backgroundColor;
        const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
        const {figure, name} = Chart.picture(page.shown, page.outbox.source, ground, zone);
        const width = Math.max(800, graph.clientWidth);
        window.Plotly.downloadImage(figure, {format: 'png', scale: 2, width, height: Math.max(400, graph.clientHeight), filename: name});
    };

    return {start, tick, connectionChanged, received, zoomed, goLive, exportPng};
})();
