// Turns a dial (speeddash/page/dial.py). speed and limit: km/h or null; end: of its scale, in the unit.

import * as Units from '../state/units.mjs';

export const turn = (dial, {speed, limit, end, unit, stale, over}) => {
    const share = (kmh) => String(Number(Math.min(1, Units.value(kmh, unit) / end).toFixed(4)));
    dial.style.setProperty('--speed', speed === null ? '0' : share(speed));
    dial.style.setProperty('--limit', limit === null ? '1' : share(limit));
    dial.classList.toggle('stale', stale);
    dial.classList.toggle('over', over);
};
