// What Bluetooth sensors measure. Pure functions of the bytes of their characteristics (Bluetooth SIG: CSC 1.0, FTMS 1.0).

export const CSC = {service: 0x1816, measurement: 0x2a5b}; // a wheel's revolutions
export const FTMS = {service: 0x1826, treadmill: 0x2acd, trainer: 0x2ad2}; // a machine's own speed
export const WHEEL_MM = 2105; // 700 x 25C
const WHEEL_FLAG = 1;
const NO_SPEED_FLAG = 1; // "more data": the speed is in the next notification
const CLOCK_HZ = 1024;
const CLOCK_WRAPS = 0x10000; // 64 s
const STOPPED_MS = 3_000; // a wheel without a revolution for so long stands; at 3 km/h one takes 2.5 s

// Wheel revolutions and when the last of them was (1/1024 s, wraps every 64 s), of a CSC measurement; null where it has none.
export const wheel = (data) =>
    data.getUint8(0) & WHEEL_FLAG ? {revolutions: data.getUint32(1, true), clock: data.getUint16(5, true)} : null;

// The next state of a wheel, {wheel, turnedAt, speed}: speed in km/h is null where two measurements say nothing yet.
// before: the state so far, null at first; measured: what `wheel` returns; at: epoch ms.
export const turn = (before, measured, wheelMm, at) => {
    if (before === null) {
        return {wheel: measured, turnedAt: at, speed: null};
    }
    const revolutions = (measured.revolutions - before.wheel.revolutions) >>> 0; // the counter wraps too
    const ticks = (measured.clock - before.wheel.clock + CLOCK_WRAPS) % CLOCK_WRAPS;
    if (!revolutions || !ticks) {
        return {...before, speed: at - before.turnedAt >= STOPPED_MS ? 0 : null};
    }
    // Away for longer than the clock takes to wrap: the time between is not known.
    const known = at - before.turnedAt < (CLOCK_WRAPS / CLOCK_HZ) * 1000;
    const metres = (revolutions * wheelMm) / 1000;
    return {wheel: measured, turnedAt: at, speed: known ? (metres / (ticks / CLOCK_HZ)) * 3.6 : null};
};

// km/h of a machine's measurement: 0.01 km/h after the flags, where bit 0 of these is 0; else null.
export const machine = (data) => (data.getUint16(0, true) & NO_SPEED_FLAG ? null : data.getUint16(2, true) / 100);

export const MISSING = 'This browser cannot reach Bluetooth sensors: use Chrome or Edge, over https:// or on localhost.';
export const NONE_CHOSEN = 'No sensor chosen.';
export const AWAY = 'The sensor is away; it is tried again.';
