// Readings folded into buckets as the server folds them (speeddash/history/series.py), and what buckets say. Pure functions.
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
const TRIP_GAP_MS = 300_000; // speeddash/segment.py: no distance across a gap of 300 s or more
const JUMP_KMH_A_MS = (3.6 * 15) / 1000; // speeddash/segment.py: no vehicle gains more than 15 m/s in a second
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

// How long nothing may come before the line breaks: four times the usual, at least 5 s, and at most the gap that ends a trip.
export const gapMs = ({width: folded, buckets}) => {
    const steps = buckets.slice(1).map(({firstAt}, n) => firstAt - buckets[n].lastAt).sort((a, b) => a - b);
    return Math.max(GAP_MS, 1.5 * folded, Math.min(TRIP_GAP_MS, 4 * (steps[steps.length >> 1] ?? 0)));
};

// Whether a speed is an implausible jump from the one before it, `ms` earlier, and may not be called the maximum.
export const isJump = (ms, before, speed) => ms < TRIP_GAP_MS && speed > before + JUMP_MARGIN_KMH + JUMP_KMH_A_MS * ms;

// Sums of readings that are taken one after the other: the way (km) and the moving time (ms) between neighbours by trapezoids, none
// across a gap, and the maximum. at, speed: of the reading before them.
export const sum = (exact, at = -Infinity, speed = 0) => ({exact, at, speed, n: 0, total: 0, maximum: -Infinity, km: 0, movingMs: 0});

export const take = (found, at, speed, max) => {
    const ms = at - found.at;
    if (ms < TRIP_GAP_MS) {
        found.km += ((found.speed + speed) / 2) * (ms / HOUR_MS);
        found.movingMs += found.speed > 0 || speed > 0 ? ms : 0;
    }
    if (!found.exact || !isJump(ms, found.speed, speed)) {
        found.maximum = Math.max(found.maximum, max);
    }
    found.n += 1;
    found.total += speed;
    found.at = at;
    found.speed = speed;
};

export const figures = (found) => (found.n ? {...found, average: found.total / found.n} : null);

// Average, maximum, distance (km) and moving time (ms) of points; null where there is none. Exact for readings, whose maximum
// leaves implausible jumps out; inside a bucket its readings are taken as evenly spaced.
export const summary = ({width: folded, buckets}) => {
    const found = sum(folded === 0);
    for (const {firstAt, lastAt, n, moving, total, max, first, last} of buckets) {
        take(found, firstAt, first, max);
        if (n > 1) {
            const ms = lastAt - firstAt;
            found.km += (total - (first + last) / 2) * (ms / (n - 1) / HOUR_MS);
            found.movingMs += (ms * moving) / n;
            Object.assign(found, {n: found.n + n - 1, total: found.total + total - first, at: lastAt, speed: last});
        }
    }
    return figures(found);
};

// Buckets that follow each other without a gap.
export const stretches = (points) => {
    const gap = gapMs(points);
    const found = [];
    points.buckets.forEach((bucket, n) => {
        const before = points.buckets[n - 1];
        if (!before || bucket.firstAt - before.lastAt > gap) {
            found.push([]);
        }
        found[found.length - 1].push(bucket);
    });
    return found;
};

// The pieces of a line [[at, speed]] above a limit, each from where it crosses it to where it does so again.
export const above = (line, limit) =>
    line.reduce((pieces, point, n) => {
        const [at, speed] = line[n - 1] ?? point;
        const over = point[1] > limit;
        const crossing = speed > limit === over ? [] : [[at + ((limit - speed) / (point[1] - speed)) * (point[0] - at), limit]];
        if (over && (crossing.length || !n)) {
            pieces.push([]);
        }
        if (over || crossing.length) {
            pieces.at(-1).push(...crossing, ...(over ? [point] : []));
        }
        return pieces;
    }, []);
