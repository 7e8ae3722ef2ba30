// What the page holds of one source. A track owns its columns and changes them in place: at a thousand readings a second a new
// array for each batch would be the page's main work.
//
//   at, seq, speed   readings in the order of time, each identity once
//   since            from here on every stored reading is among them (epoch ms; Infinity until the history was read)
//   base             what lies before, in buckets (buckets.mjs): {from, to, width, asked, buckets, stale}, or null
//
// Times are epoch ms with the microseconds behind the point. Speeds are km/h.

import * as Buckets from './buckets.mjs';

export const AHEAD_MS = 60_000; // a time further ahead of this clock is wrong
const HELD = 120_000; // two minutes of a thousand a second, over a day of one: 24 bytes each
const KEPT = 90_000; // when more came, the oldest go until so many are left
const MAX_ANSWER = 10_000; // readings in one answer of /api/v1/readings

export const create = (source) => ({
    source,
    at: [],
    seq: [],
    speed: [],
    since: Infinity,
    base: null,
    arrived: null, // when readings last came live, how far their clock was behind, and the last of them: {when, lag, last}
});

// Epoch ms of RFC 3339 text, to the microsecond; the same double whichever way the time came.
export const instant = (text) => {
    const us = text.length === 27 ? Number(text.slice(23, 26)) : 0;
    return (Date.parse(text) * 1000 + us) / 1000;
};

// A reading of the wire as a track holds it.
export const held = ({timestamp, seq, speed}) => ({at: instant(timestamp), seq, speed});

const fromSeconds = (seconds) => Math.round(seconds * 1e6) / 1000;

const order = (a, b) => a.at - b.at || a.seq - b.seq;

// The place of the first held reading that is not before {at, seq}.
const place = (track, {at, seq}) => {
    let [low, high] = [0, track.at.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        const before = track.at[middle] < at || (track.at[middle] === at && track.seq[middle] < seq);
        [low, high] = before ? [middle + 1, high] : [low, middle];
    }
    return low;
};

// Adds readings {at, seq, speed}, each identity once. Returns how many were new.
export const add = (track, news) => {
    const {at: ats, seq: seqs, speed: speeds} = track;
    const before = ats.length;
    const sorted = [...news].sort(order);
    const start = sorted.length ? place(track, sorted[0]) : before;
    const [at, seq, speed] = [ats, seqs, speeds].map((column) => column.splice(start));
    const tail = at.map((each, n) => ({at: each, seq: seq[n], speed: speed[n]}));
    for (const reading of [...tail, ...sorted].sort(order)) {
        if (ats.at(-1) !== reading.at || seqs.at(-1) !== reading.seq) {
            ats.push(reading.at);
            seqs.push(reading.seq);
            speeds.push(reading.speed);
        }
    }
    const added = ats.length - before;
    if (added && track.base && sorted[0].at < track.base.to) {
        track.base.stale = true; // it belongs into a bucket that was made without it
    }
    if (ats.length > HELD) {
        [ats, seqs, speeds].forEach((column) => column.splice(0, column.length - KEPT));
        track.since = Math.max(track.since, ats[0]);
    }
    return added;
};

// The last reading up to a time, or null.
export const newest = (track, until = Infinity) => {
    const n = place(track, {at: until, seq: Infinity}) - 1;
    return n < 0 ? null : {at: track.at[n], speed: track.speed[n]};
};

// Whether [from, to] can be shown as finely as a bucket of `width` ms from what is here.
export const covers = (track, from, to, width) => {
    if (track.since <= from) {
        return true;
    }
    const {base} = track;
    return (
        base !== null &&
        !base.stale &&
        base.from <= from &&
        (base.to >= to || track.since <= base.to) &&
        (base.width === 0 || base.asked <= 1.5 * width)
    );
};

// Takes an answer of /api/v1/series for [from, to); to is null for one that was left open. asked: the width of bucket that was
// hoped for, ms. Returns the time from which the readings themselves are still wanted, or null.
export const takeSeries = (track, from, to, answer, asked) => {
    const buckets = answer.t.map((t, n) => ({
        at: fromSeconds(t),
        firstAt: fromSeconds(answer.t_first[n]),
        lastAt: fromSeconds(answer.t_last[n]),
        n: answer.n[n],
        moving: answer.moving[n],
        total: answer.mean[n] * answer.n[n],
        min: answer.min[n],
        max: answer.max[n],
        first: answer.first[n],
        last: answer.last[n],
    }));
    const width = answer.bucket_s * 1000;
    if (width === 0 && (to === null || track.since <= to)) {
        track.since = Math.min(track.since, from);
        track.base = null;
        add(track, buckets.map(({at, first}, n) => ({at, seq: answer.seq[n], speed: first})));
        return null;
    }
    track.base = {from, to, width, asked, buckets, stale: false};
    if (to !== null) {
        return null;
    }
    // The last bucket still grows: its readings are wanted themselves, unless they are too many. Then the seam is behind the
    // last one.
    const last = buckets[buckets.length - 1];
    if (last.n > MAX_ANSWER) {
        track.base.to = last.lastAt + 0.001;
        track.since = Math.min(track.since, track.base.to);
        return null;
    }
    buckets.pop();
    track.base.to = last.at;
    return track.since > last.at ? last.at : null;
};

// Takes the stored readings {at, seq, speed} from a time on, all of them.
export const takeReadings = (track, from, readings) => {
    track.since = Math.min(track.since, from);
    add(track, readings);
};

// Buckets for [from, to]: readings on their own where they are at most `most`, else folded, the first and the last of them
// whole; the stored ones before the seam, the held ones after it, so that none is there twice.
export const points = (track, from, to, most) => {
    const base = track.base && track.since > from ? track.base : null;
    const seam = base ? base.to : -Infinity;
    const shown = base ? base.buckets.filter(({at}) => at + base.width > from && at <= to) : [];
    const count = Math.max(0, place(track, {at: to, seq: -1}) - place(track, {at: Math.max(from, seam), seq: -1}));
    const few = count + shown.length <= most && !base?.width;
    const width = few ? 0 : base?.width || Buckets.width(from, to, most);
    const [first, last] = width ? Buckets.whole(from, to, width) : [from, to];
    const buckets = [];
    if (base?.width || !width) {
        buckets.push(...shown.slice(0, -1), ...shown.slice(-1).map((each) => ({...each}))); // what is folded into the last must not stay there
    } else {
        shown.forEach(({at, first: speed}) => Buckets.fold(buckets, width, at, speed));
    }
    const end = place(track, {at: last, seq: -1});
    for (let n = place(track, {at: Math.max(first, seam), seq: -1}); n < end; n += 1) {
        Buckets.fold(buckets, width, track.at[n], track.speed[n]);
    }
    return {width, buckets};
};

// The figures of the held readings in [from, to], as `buckets.summary` has them, without making an object of each; null where
// there is none. joined: the reading before them counts as their neighbour.
export const figures = (track, from, to, joined) => {
    const begin = place(track, {at: from, seq: -1});
    const end = place(track, {at: to, seq: Infinity});
    const sum = joined && begin ? Buckets.sum(true, track.at[begin - 1], track.speed[begin - 1]) : Buckets.sum(true);
    for (let n = begin; n < end; n += 1) {
        Buckets.take(sum, track.at[n], track.speed[n], track.speed[n]);
    }
    return Buckets.figures(sum);
};
