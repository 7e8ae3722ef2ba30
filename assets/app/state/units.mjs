// Units, and numbers as people read them. Pure functions.
//
//   A unit is {symbol, kmh}: km/h in one of it.

// The ends of a dial with ten steps that people count in.
const ENDS = [10, 20, 50, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1000, 1500, 2000, 5000];
const TOPS = [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10];
const DISTANCE = {mph: ['mi', 1.609344], kn: ['nmi', 1.852]};

// A speed in km/h as a number in the unit.
export const value = (kmh, unit) => kmh / unit.kmh;

// A number as the reader writes it.
const number = (amount, digits) => amount.toLocaleString(undefined, {minimumFractionDigits: digits, maximumFractionDigits: digits});

export const text = (kmh, unit, digits = 1) => `${number(value(kmh, unit), digits)} ${unit.symbol}`;

// Miles with mph, nautical miles with knots.
export const distance = (km, unit) => {
    const [symbol, kmIn] = DISTANCE[unit.symbol] ?? ['km', 1];
    const amount = km / kmIn;
    return `${number(amount, amount < 10 ? 2 : amount < 100 ? 1 : 0)} ${symbol}`;
};

export const duration = (ms) => {
    const seconds = Math.round(ms / 1000);
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    if (h) {
        return `${h} h ${String(m).padStart(2, '0')} min`;
    }
    return m ? `${m} min ${String(s).padStart(2, '0')} s` : `${s} s`;
};

// How long ago, in the largest unit.
export const age = (ms) => {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    const [width, name] = seconds < 120 ? [1, 's'] : seconds < 7200 ? [60, 'min'] : seconds < 172_800 ? [3600, 'h'] : [86_400, 'd'];
    return `${Math.floor(seconds / width)} ${name}`;
};

// The end of the dial: the first that has room for the highest speed, in the unit, and at least for walking.
export const end = (highestKmh, unit) => {
    const highest = Math.max(value(highestKmh, unit) * 1.05, value(60, unit));
    return ENDS.find((each) => each >= highest) ?? Math.ceil(highest / 1000) * 1000;
};

// The top of the axis: close above the highest speed, yet steady while that moves a little.
export const top = (highestKmh, unit) => {
    const highest = Math.max(value(highestKmh, unit) * 1.05, value(60, unit));
    const decade = 10 ** Math.floor(Math.log10(highest));
    return TOPS.find((each) => each * decade >= highest) * decade;
};

