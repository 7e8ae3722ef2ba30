// The tracks that are on the page, and the way to what is stored of them.

import * as Buckets from '../state/buckets.mjs';
import {ask, iso} from './rest.mjs';
import * as Track from '../state/track.mjs';

export class Tracks {
    // changed: called when there is something new to draw; came: when it is readings that came live.
    constructor({changed, came}) {
        this.changed = changed;
        this.came = came;
        this.bySource = new Map(); // tracks, each with its `load`: {running, outdated, again (epoch ms), failed (why, or null)}
    }

    // The tracks of these sources, in their order. Others are forgotten.
    only(sources) {
        this.bySource = new Map(sources.map((source) => [source, this.of(source)]));
        return [...this.bySource.values()];
    }

    forget(source) {
        this.bySource.delete(source);
    }

    of(source) {
        if (!this.bySource.has(source)) {
            this.bySource.set(source, {...Track.create(source), load: {running: false, outdated: false, again: 0, failed: null}});
        }
        return this.bySource.get(source);
    }

    // Takes readings {source, timestamp, seq, speed} that came just now. Returns how many were new to the page.
    arrived(readings, now) {
        let added = 0;
        const bySource = new Map(readings.map(({source}) => [source, []])); // Map.groupBy is too new for many phones
        readings.forEach((reading) => bySource.get(reading.source).push(Track.held(reading)));
        for (const [source, news] of bySource) {
            const track = this.of(source);
            added += Track.add(track, news);
            track.arrived = {when: now, lag: now - Track.newest(track).at, last: news.at(-1)};
        }
        if (added) {
            this.came();
        }
        return added;
    }

    // Something may have been missed: what is stored is read again before it is called complete.
    invalidate(sources) {
        for (const source of sources) {
            const track = this.of(source);
            track.since = Infinity;
            track.load.again = 0;
            track.load.outdated = track.load.running; // its answer may be from before what was missed
        }
    }

    // Recordings were imported: whatever is shown is read again, however old it is.
    imported(sources) {
        this.invalidate(sources);
        for (const {base} of sources.map((source) => this.of(source))) {
            if (base) {
                base.stale = true;
            }
        }
    }

    // Sees to it that [from, to] can be shown in at most `most` buckets, the first and the last of them whole; to is null when the
    // view follows. Returns at once.
    require(sources, from, to, most) {
        const width = Buckets.width(from, to ?? Date.now(), most);
        const [begin, end] = Buckets.whole(from, to ?? Date.now(), width);
        for (const track of this.only(sources)) {
            const {load} = track;
            const waits = (load.failed || track.base?.stale) && Date.now() < load.again;
            if (!load.running && !waits && !Track.covers(track, begin, end, width)) {
                this.load(track, [begin, to === null ? null : end], {width, most});
            }
        }
    }

    async load(track, [from, to], {width, most}) {
        const {source, load} = track;
        const began = Date.now();
        load.running = true;
        try {
            const until = to === null ? {} : {to: iso(to)};
            const answer = await ask('series', {source, from: iso(from), ...until, points: most});
            const rest = Track.takeSeries(track, from, to, answer, width);
            if (rest !== null) {
                const {readings} = await ask('readings', {source, from: iso(rest), limit: 10_000});
                Track.takeReadings(track, rest, readings.map(Track.held));
            }
            load.failed = null;
        } catch (failure) {
            load.failed = failure.message;
        }
        if (load.outdated) {
            track.since = Infinity;
        }
        load.running = load.outdated = false;
        // A late reading asks for its bucket anew: that must not become the page's main work, nor the server's.
        load.again = Date.now() + Math.min(10_000, Math.max(2_000, 10 * (Date.now() - began)));
        this.changed();
    }

    // Why history is missing, or null; whether it is still on its way.
    get failed() {
        return [...this.bySource.values()].find(({load}) => load.failed)?.load.failed ?? null;
    }

    get loading() {
        return [...this.bySource.values()].some(({load}) => load.running);
    }
}
