// The list of what happened: stretches above the limit and implausible jumps, what is stored and what is going on.
// Owns the element #events.
//
//   An event is {source, kind: 'over' | 'jump', from, to (epoch ms), peak (km/h), ongoing}.
window.speeddash = window.speeddash || {};

window.speeddash.EventLog = (() => {
    const REFRESH_MS = 10_000; // where readings come
    const LIVE_REFRESH_MS = 3_000; // where something is above the limit, too, and while the server has yet to find it
    const REST_REFRESH_MS = 30_000;
    const UNSETTLED_MS = 15_000; // the server finds the events of a limit anew, in the background
    const UNSETTLED_REFRESH_MS = 2_000;
    const ROWS = 100;

    // What is stored, and of what the page sees only what is not stored yet: none twice.
    //
    // Args: stored: events; own: [{source, from, to, peak}] as the page finds them, where the line crosses the limit, so that each
    // holds what the server stores of it; slack: ms by which that is blurred, the width of a bucket.
    const joined = (stored, own, slack) => {
        const events = stored.map((each) => ({...each}));
        for (const each of own) {
            const same = stored.filter(({kind, source, from, to}) =>
                kind === 'over' && source === each.source && from <= each.to + slack && each.from <= to + slack);
            const open = same.find(({ongoing}) => ongoing);
            if (open) {
                const shown = events[stored.indexOf(open)];
                Object.assign(shown, {to: Math.max(open.to, each.to), peak: Math.max(open.peak, each.peak)});
            } else if (!same.length) {
                events.push({kind: 'over', ...each});
            }
        }
        return events.sort((a, b) => b.from - a.from);
    };

    const Log = class {
        // changed: called when the server has answered.
        constructor(changed) {
            this.changed = changed;
            this.forget();
            this.unsettledUntil = 0;
        }

        // What is stored is not what it was: a limit was changed, say. What is found now may not be all of it.
        forget() {
            Object.assign(this, {key: null, stored: [], newest: null, askedAt: 0, failed: null, loading: false, written: null, live: false, awaited: false});
            this.unsettledUntil = Date.now() + UNSETTLED_MS;
        }

        // Sees to it that what is stored in a range is here, soon. newest: the latest reading (epoch ms).
        require(sources, [from, to], fixed, newest) {
            const key = JSON.stringify([sources, fixed ? [from, to] : to - from]);
            const age = Date.now() - this.askedAt;
            const news = newest !== this.newest && !fixed;
            const due = (Date.now() < this.unsettledUntil && age > UNSETTLED_REFRESH_MS)
                || (news && age > (this.live ? LIVE_REFRESH_MS : REFRESH_MS))
                || ((this.awaited || (fixed && this.live)) && age > LIVE_REFRESH_MS)
                || ((fixed || this.live || this.failed) && age > REST_REFRESH_MS);
            if (!this.loading && (key !== this.key || due)) {
                Object.assign(this, {key, newest, loading: true});
                this.load(sources, [from, fixed ? to : null], key);
            }
        }

        async load(sources, [from, to], key) {
            const {iso, all} = window.speeddash.rest;
            let {stored} = this;
            let failed = null;
            try {
                const found = await Promise.all(sources.map(async (source) => {
                    const events = await all('events', {source, from: iso(from), ...(to === null ? {} : {to: iso(to)}), limit: 1000});
                    return events.map(({kind, start, end, peak, ongoing}) => (
                        {source, kind, from: Date.parse(start), to: Date.parse(end), peak, ongoing}));
                }));
                // One that lasts from page to page of the answer comes with each.
                stored = [...new Map(found.flat().map((each) => [JSON.stringify([each.source, each.kind, each.from]), each])).values()];
            } catch (failure) {
                failed = failure.message;
            }
            if (key === this.key) {
                Object.assign(this, {stored, failed, askedAt: Date.now(), loading: false});
                this.changed();
            }
        }

        // The events of a range. own: what the page finds above the limit; stores: whether that is the source's own limit, so that
        // the server keeps those stretches itself.
        events([from, to], own, slack, stores) {
            const stored = this.stored.filter(({kind}) => stores || kind === 'jump');
            const found = joined(stored, own, slack);
            this.live = stores && found.some(({ongoing}) => ongoing !== false);
            this.awaited = stores && found.some(({ongoing}) => ongoing === undefined);
            return found.filter((each) => each.to >= from && each.from <= to);
        }

        write(events, {limit, several, unit, mayStore}) {
            const box = document.getElementById('events');
            const {failed} = this;
            const written = JSON.stringify([events.slice(0, ROWS), events.length, limit, several, unit, failed]);
            if (!box || written === this.written) {
                return;
            }
            this.written = written;
            const {el, table, fill} = window.speeddash.dom;
            const word = limit === null ? (mayStore ? 'Set a limit to see when it is passed.' : 'No limit is set.') : 'Never in what is shown.';
            fill(box,
                failed && el('p', {class: 'problem'}, `Stored events cannot be read: ${failed}.`),
                !events.some(({kind}) => kind === 'over') && el('p', {}, word),
                events.length && table(
                    'Above the limit, and implausible jumps; the newest first',
                    [...(several ? ['Source'] : []), 'From', 'For', 'Peak'],
                    events.slice(0, ROWS).map((each) => this.row(each, several, unit)),
                ),
                events.length > ROWS && el('p', {}, `The latest ${ROWS} of ${events.length}.`),
            );
        }

        row({source, kind, from, to, peak, ongoing}, several, unit) {
            const {dom: {el}, units: Units, chart: {local, name}} = window.speeddash;
            const what = kind === 'jump'
                ? [el('td', {colspan: 2}, `implausible jump to ${Units.text(peak, unit)}, left out of the maximum`)]
                : [(to - from < 500 ? '< 1 s' : Units.duration(to - from)) + (ongoing ? ', going on' : ''), Units.text(peak, unit)];
            return [...(several ? [name(source)] : []), local(from).slice(0, 19).replace('T', ' '), ...what];
        }
    };
    return Object.assign(Log, {joined});
})();
