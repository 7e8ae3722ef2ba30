// Readings folded into buckets as the server folds them (speeddash/history.py), and what buckets say. Pure functions.
//
//   A bucket is {at, firstAt, lastAt, n, moving, total, min, max, first, last}: epoch ms and km/h; `at` is a whole multiple of the
//   width. A reading on its own is a bucket of one. Points are {width (ms; 0 for readings), buckets}.

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PARTS_OF_60 = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];
// Each divides the next unit, so that minutes, hours and days fall on edges of buckets.
const LADDER_MS = [
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
    ...PARTS_OF_60.map((n) => n * SECOND_MS),
    ...PARTS_OF_60.map((n) => n * MINUTE_MS),
    ...[1, 2, 3, 4, 6, 8, 12].map((n) => n * HOUR_MS),
];
const GAP_MS = 5_000;
const TRIP_GAP_MS = 300_000; // design.md: no distance across a gap of 300 s or more
const JUMP_KMH_A_MS = (3.6 * 15) / 1000; // speeddash/stretch.py: no vehicle gains more than 15 m/s in a second
const JUMP_MARGIN_KMH = 5;

// The smallest width of the ladder whose buckets cover [from, to) with at most `most`.
export const width = (from, to, most) => {
    const fits = (ms) => Math.ceil(to / ms) - Math.floor(from / ms) <= most;
    const found = LADDER_MS.find(fits);
    if (found) {
        return found;
    }
    let days = Math.max(1, Math.floor((to - from) / most / DAY_MS));
    while (!fits(days * DAY_MS)) {
        days += 1;
    }
    return days * DAY_MS;
};

// [from, to] out to the edges of the buckets they lie in.
export const whole = (from, to, ms) => [Math.floor(from / ms) * ms, Math.ceil(to / ms) * ms];

const alone = (at, speed) => ({
    at, firstAt: at, lastAt: at, n: 1, moving: speed > 0 ? 1 : 0, total: speed, min: speed, max: speed, first: speed, last: speed,
});

// Puts a reading into the last of the buckets, or a new one behind it.
export const fold = (buckets, ms, at, speed) => {
    const edge = ms ? Math.floor(at / ms) * ms : at;
    const open = buckets[buckets.length - 1];
    if (!ms || open?.at !== edge) {
        buckets.push({...alone(at, speed), at: edge});
        return;
    }
    open.lastAt = at;
    open.n += 1;
    open.moving += speed > 0 ? 1 : 0;
    open.total += speed;
    open.min = Math.min(open.min, speed);
    open.max = Math.max(open.max, speed);
    open.last = speed;
};

export const refold = (readings, ms) => {
    const buckets = [];
    readings.forEach(({at, first}) => fold(buckets, ms, at, first));
    return buckets;
};

// How long nothing may come before the line breaks: four times the usual, at least 5 s, and at most the gap that ends a trip.
export const gapMs = ({width: folded, buckets}) => {
    const steps = buckets.slice(1).map(({firstAt}, n) => firstAt - buckets[n].lastAt).sort((a, b) => a - b);
    return Math.max(GAP_MS, 1.5 * folded, Math.min(TRIP_GAP_MS, 4 * (steps[steps.length >> 1] ?? 0)));
};

// Whether a speed is an implausible jump from the one before it, `ms` earlier, and may not be called the maximum.
export const isJump = (ms, before, speed) => ms < TRIP_GAP_MS && speed > before + JUMP_MARGIN_KMH + JUMP_KMH_A_MS * ms;

// Adds the way and the moving time between two neighbours to figures: trapezoids, and none across a gap.
export const pair = (figures, ms, first, last) => {
    if (ms < TRIP_GAP_MS) {
        figures.km += ((first + last) / 2) * (ms / HOUR_MS);
        figures.movingMs += first > 0 || last > 0 ? ms : 0;
    }
};

// Average, maximum, distance (km) and moving time (ms) of points; null where there is none. Exact for readings, whose maximum
// leaves implausible jumps out; inside a bucket its readings are taken as evenly spaced.
export const summary = ({width: folded, buckets}) => {
    if (!buckets.length) {
        return null;
    }
    const found = {n: 0, average: 0, maximum: -Infinity, km: 0, movingMs: 0, exact: folded === 0};
    let total = 0;
    buckets.forEach((bucket, place) => {
        found.n += bucket.n;
        total += bucket.total;
        const before = buckets[place - 1];
        const ms = before ? bucket.firstAt - before.lastAt : Infinity;
        if (before) {
            pair(found, ms, before.last, bucket.first);
        }
        if (folded || !isJump(ms, before?.last, bucket.first)) {
            found.maximum = Math.max(found.maximum, bucket.max);
        }
        if (bucket.n > 1) {
            const ms = bucket.lastAt - bucket.firstAt;
            found.km += (bucket.total - (bucket.first + bucket.last) / 2) * (ms / (bucket.n - 1) / HOUR_MS);
            found.movingMs += (ms * bucket.moving) / bucket.n;
        }
    });
    return {...found, average: total / found.n};
};

// The stretches above a limit, as the line is drawn: it crosses between two readings. [{from, to, peak, line: [[at, speed]]}]
export const above = (points, limit) => {
    const gap = gapMs(points);
    const stretches = [];
    let open = null;
    let before = null;
    const crossing = (a, b) => a.at + ((limit - a.max) / (b.max - a.max)) * (b.at - a.at);
    for (const bucket of points.buckets) {
        const at = bucket.at + points.width / 2;
        const now = {at, max: bucket.max, firstAt: bucket.firstAt, lastAt: bucket.lastAt};
        const missing = before && now.firstAt - before.lastAt > gap;
        if (open && missing) {
            open = null;
        }
        if (now.max > limit) {
            if (!open) {
                const from = before && !missing ? crossing(before, now) : now.at;
                open = {from, to: now.at, peak: now.max, line: before && !missing ? [[from, limit]] : []};
                stretches.push(open);
            }
            open.to = now.at;
            open.peak = Math.max(open.peak, now.max);
            open.line.push([now.at, now.max]);
        } else if (open) {
            open.to = crossing(before, now);
            open.line.push([open.to, limit]);
            open = null;
        }
        before = now;
    }
    return stretches;
};

