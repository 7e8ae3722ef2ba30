// The figures of a window that the page holds only in buckets: exact, from the server; what came since is added here.

import {ask, iso} from './rest.mjs';
import * as Track from '../state/track.mjs';

const REFRESH_MS = 10_000;
const LATE_REFRESH_MS = 2_000;

// Two windows that follow each other, as one; either may be null.
export const together = (a, b) => {
    if (!a || !b) {
        return a ?? b;
    }
    return {
        n: a.n + b.n,
        average: (a.average * a.n + b.average * b.n) / (a.n + b.n),
        maximum: Math.max(a.maximum, b.maximum),
        km: a.km + b.km,
        movingMs: a.movingMs + b.movingMs,
        exact: a.exact && b.exact,
    };
};

export class Totals {
    // changed: called when there are new figures.
    constructor(changed) {
        this.changed = changed;
        this.bySource = new Map(); // source: {key, askedAt, loading, until (epoch ms), figures}
    }

    // Recordings were imported: what is stored is not what it was.
    forget() {
        this.bySource.clear();
    }

    // The figures of a track in a range, or null while the server has not told. Asks again now and then where the range moves.
    of(track, [from, to], fixed) {
        if (track.since <= from) {
            return Track.figures(track, from, to, false);
        }
        const key = JSON.stringify(fixed ? [from, to] : to - from);
        const held = this.bySource.get(track.source);
        // A reading that came late belongs into what the server told.
        const rest = track.base?.stale ? LATE_REFRESH_MS : fixed && !held?.failed ? Infinity : REFRESH_MS;
        if (held?.key !== key || (!held.loading && Date.now() - held.askedAt > rest)) {
            this.load(track, [from, to], fixed, key, held?.key === key ? held.figures : undefined);
        }
        const found = this.bySource.get(track.source);
        if (found.figures === undefined) {
            return null;
        }
        return fixed || track.since > found.until ? found.figures : together(found.figures, Track.figures(track, found.until, to, true));
    }

    async load({source}, [from, to], fixed, key, before) {
        const until = fixed ? to : Math.min(to, Date.now());
        const entry = {key, askedAt: Date.now(), loading: true, until: this.bySource.get(source)?.until, figures: before, failed: false};
        this.bySource.set(source, entry);
        try {
            const found = await ask('summary', {source, from: iso(from), to: iso(until)});
            entry.until = Math.floor(until);
            entry.figures = found.count ? {
                n: found.count, average: found.mean_speed, maximum: found.max_speed, km: found.distance_km,
                movingMs: 1000 * found.moving_s, exact: true,
            } : null;
        } catch {
            entry.failed = true; // and is asked for again
            // What cannot be read stays as it was, about right; the chart says why history is missing.
        }
        Object.assign(entry, {loading: false, askedAt: Date.now()});
        this.changed();
    }
}
