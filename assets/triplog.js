// The list of trips below the chart. Owns the element #trips: nobody else writes there.
//
//   A trip is {source, start, end (epoch ms), count, mean_speed, mean_moving_speed, max_speed (km/h), distance_km, duration_s,
//   moving_s, stops, jumps}.
window.speeddash = window.speeddash || {};

window.speeddash.TripLog = (() => {
    const DAY_MS = 86_400_000;
    const FIRST_REACH_MS = 7 * DAY_MS;
    const AROUND_MS = 3 * DAY_MS; // beside a range that is older than the list
    const ROWS = 10;
    const REFRESH_MS = 30_000;
    const FIRST_REFRESH_MS = 10_000; // while there is none yet
    const GAP_MS = 300_000; // design.md: a trip ends when nothing comes for 300 s

    const trip = (source, {start, end, ...figures}) => ({source, start: Date.parse(start), end: Date.parse(end), ...figures});

    // The range in which a trip is looked at: a little more than itself.
    const around = ({start, end}) => {
        const margin = Math.max(10_000, (end - start) / 50);
        return [start - margin, end + margin];
    };

    // The trip that fills a range, or null: the only one that lies in it whole.
    const shownIn = (trips, [from, to]) => {
        const inside = trips.filter(({start, end}) => from <= start && end <= to);
        return inside.length === 1 ? inside[0] : null;
    };

    const dayName = (at, now) => {
        const day = (ms) => new Date(ms).toDateString();
        if (day(at) === day(now)) {
            return 'Today';
        }
        const yesterday = new Date(now);
        yesterday.setDate(yesterday.getDate() - 1); // not 24 hours: a day may have 23 or 25
        if (day(at) === day(yesterday)) {
            return 'Yesterday';
        }
        const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? {} : {year: 'numeric'};
        return new Intl.DateTimeFormat('en-GB', {weekday: 'short', day: 'numeric', month: 'short', ...year}).format(at);
    };

    const clock = (at) => window.speeddash.chart.local(at).slice(11, 16);

    const when = ({start, end}, now) => {
        const last = now - end < GAP_MS ? 'now' : clock(end);
        return `${dayName(start, now)}, ${clock(start)} – ${last}`;
    };

    const Log = class {
        // show: takes the range of a trip that a person chose.
        constructor(show) {
            this.show = show;
            this.forget([]);
        }

        forget(sources, anchor = null) {
            this.sources = sources;
            this.anchor = anchor; // [from, to] that the list is about, or null: it ends with the latest
            this.trips = new Map(); // by source and start
            this.reach = new Map(); // by source: from when on its trips are here, and when it began {from, first}
            this.most = ROWS;
            this.askedAt = 0;
            this.knew = null; // the latest reading when the server was last asked, epoch ms
            this.failed = null;
            this.run = {}; // answers of an earlier run are not wanted any more
            this.loading = false;
            this.written = null;
        }

        // What the page shows now: sources, the range that stands still (or null), the unit, and the latest reading (epoch ms).
        look({sources, fixed, unit, latest}) {
            if (sources.join() !== this.sources.join() || sources.length !== this.sources.length) {
                this.forget(sources);
            } else if (fixed && !this.loading && fixed.join() !== this.left && !this.reaches(fixed)) {
                this.forget(sources, [fixed[0] - AROUND_MS, fixed[1] + AROUND_MS]);
            } else if (!fixed && this.anchor) {
                this.forget(sources);
            }
            Object.assign(this, {fixed, unit});
            const now = Date.now();
            const news = this.failed || (!this.anchor && latest !== this.knew);
            if (sources.length && !this.loading && (!this.askedAt || (news && now - this.askedAt > (this.trips.size ? REFRESH_MS : FIRST_REFRESH_MS)))) {
                this.knew = latest;
                this.load();
            }
            this.write(now);
        }

        // Whether what is listed goes back as far as a range, and on to it.
        reaches([from, to]) {
            const back = [...this.reach.values()].every((each) => each.from <= Math.max(from, each.first));
            return !this.askedAt || this.failed || (back && (!this.anchor || to <= this.anchor[1]));
        }

        // Runs something that asks the server; what became of it stands in the list.
        async busy(asking) {
            const {run} = this;
            this.loading = true;
            this.failed = null;
            this.write(Date.now());
            let failed = null;
            try {
                await asking(run);
            } catch (failure) {
                failed = failure.message;
            }
            if (run === this.run) {
                Object.assign(this, {loading: false, failed, askedAt: Date.now()});
                this.write(Date.now());
            }
        }

        load() {
            return this.busy((run) => Promise.all(this.sources.map(async (source) => {
                const newest = [...this.trips.values()].filter((each) => each.source === source).sort((a, b) => b.start - a.start)[0];
                if (newest && !this.anchor) {
                    await this.ask(run, source, newest.start, null);
                    return;
                }
                const span = await this.span(source);
                if (run !== this.run || !span) {
                    return;
                }
                const [from, to] = this.anchor ?? [span.last - FIRST_REACH_MS, null];
                this.reach.set(source, {from, first: span.first});
                await this.ask(run, source, from, to);
                if (!this.anchor) {
                    await this.further(run, source);
                }
            })));
        }

        // The older ones: those that are here, then those that the server knows.
        older() {
            this.most += ROWS;
            if (this.trips.size >= this.most || !this.more) {
                this.write(Date.now());
                return;
            }
            this.busy((run) => Promise.all(this.sources.map((source) => this.further(run, source))));
        }

        // Further back, in steps that grow, until there are enough to show, or the source's first reading is reached.
        async further(run, source) {
            const reach = this.reach.get(source);
            for (let step = FIRST_REACH_MS; reach && this.trips.size < this.most && reach.from > reach.first; step *= 4) {
                const to = reach.from;
                await this.ask(run, source, to - step, to);
                if (run !== this.run) {
                    return;
                }
                reach.from = to - step;
            }
        }

        async span(source) {
            const {path, ask} = window.speeddash.rest;
            try {
                const {first, last} = await ask(path(source));
                return last ? {first: Date.parse(first), last: Date.parse(last)} : null;
            } catch (failure) {
                if (failure.status === 404) {
                    return null; // nothing is stored of it yet
                }
                throw failure;
            }
        }

        async ask(run, source, from, to) {
            const {iso, all} = window.speeddash.rest;
            const found = await all('trips', {source, from: iso(from), ...(to === null ? {} : {to: iso(to)}), limit: 200});
            if (run === this.run) {
                found.map((each) => trip(source, each)).forEach((each) => this.trips.set(`${source}@${each.start}`, each));
            }
        }

        get more() {
            return this.trips.size > this.most || [...this.reach.values()].some(({from, first}) => from > first);
        }

        // -- showing

        write(now) {
            const box = document.getElementById('trips');
            const listed = [...this.trips.entries()].sort(([, a], [, b]) => b.start - a.start).slice(0, this.most);
            const shown = this.fixed && shownIn(listed.map(([, each]) => each), this.fixed);
            const {sources, unit, loading, failed, more, anchor} = this;
            const rows = listed.map(([key, each]) => [key, when(each, now), each, each === shown]);
            const written = JSON.stringify([rows, sources, unit, loading, failed, more, anchor]);
            if (!box || !unit || written === this.written) {
                return;
            }
            this.written = written;
            const {el, fill} = window.speeddash.dom;
            box.setAttribute('aria-busy', String(loading));
            const word = !rows.length && !failed && this.word();
            fill(box,
                word && el('p', {class: 'quiet'}, word),
                failed && el('p', {class: 'problem'}, `Trips cannot be read: ${failed}. `, el('button', {'data-key': 'again', onclick: () => this.load()}, 'Try again')),
                rows.length && this.table(rows),
                rows.length && more && el('button', {'data-key': 'older', disabled: loading, onclick: () => this.older()}, loading ? 'Loading' : 'Older trips'),
                anchor && el('button', {'data-key': 'latest', onclick: () => this.latest()}, 'Latest trips'),
            );
        }

        word() {
            if (!this.sources.length) {
                return 'Choose a source to see its trips.';
            }
            return this.loading || !this.askedAt ? 'Looking for trips' : 'No trips yet: a trip begins when something moves.';
        }

        // Away from the range shown, though it goes on being shown.
        latest() {
            this.left = this.fixed?.join();
            this.forget(this.sources);
            this.load();
        }

        table(rows) {
            const {dom: {el, table}, units: Units, chart: {name}} = window.speeddash;
            const {unit} = this;
            const of = (kmh) => (kmh === null ? '–' : Units.value(kmh, unit).toFixed(1));
            const several = this.sources.length > 1;
            const caption = this.anchor ? 'Trips around the range shown, the newest first' : 'Trips, the newest first';
            return el('div', {class: 'scroll', role: 'region', tabindex: 0, 'aria-label': 'Table of trips'}, table(
                caption,
                ['Trip', ...(several ? ['Source'] : []), 'Distance', 'Duration', `Max., ${unit.symbol}`, 'Mean', 'Moving mean', 'Stops'],
                rows.map(([key, words, each, current]) => {
                    const show = () => this.show(around(each));
                    const button = el('button', {class: 'link', 'data-key': key, 'aria-current': current && 'true', title: 'Show it in the chart'}, words);
                    return {
                        onclick: show, class: current ? 'trip shown' : 'trip',
                        row: [
                            button, ...(several ? [name(each.source)] : []), Units.distance(each.distance_km, unit),
                            Units.duration(1000 * each.duration_s), of(each.max_speed), of(each.mean_speed), of(each.mean_moving_speed),
                            String(each.stops),
                        ],
                    };
                }),
            ));
        }
    };
    return Object.assign(Log, {around, shownIn, when});
})();
