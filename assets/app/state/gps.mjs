// From fixes of the browser's geolocation to speeds. Pure functions.
//
//   A fix is {at (epoch ms), latitude, longitude (degrees), accuracy (m), speed (m/s, or null)}.

const EARTH_M = 6_371_008.8; // mean radius: IUGG, GRS 80
const KMH_IN_MPS = 3.6;
const WORST_ACCURACY_M = 50; // two fixes as coarse as that say nothing about a speed
const LONGEST_STEP_MS = 10_000;

const radians = (degrees) => (degrees * Math.PI) / 180;

// Metres between two fixes (haversine formula).
export const metres = (a, b) => {
    const [lat1, lat2] = [radians(a.latitude), radians(b.latitude)];
    const half = (angle) => Math.sin(angle / 2) ** 2;
    const h = half(lat2 - lat1) + Math.cos(lat1) * Math.cos(lat2) * half(radians(b.longitude - a.longitude));
    return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(h)));
};

// The speed in km/h that a fix stands for: the device's own, else from the way since the fix before; null where neither says
// anything. A step shorter than half the accuracy is standing still, or standing would look like a slow walk.
export const speed = (before, fix) => {
    if (fix.speed !== null && Number.isFinite(fix.speed)) {
        return Math.max(0, fix.speed) * KMH_IN_MPS;
    }
    const ms = before ? fix.at - before.at : 0;
    if (ms <= 0 || ms > LONGEST_STEP_MS || Math.max(fix.accuracy, before.accuracy) > WORST_ACCURACY_M) {
        return null;
    }
    const way = metres(before, fix);
    return way < Math.max(fix.accuracy, before.accuracy) / 2 ? 0 : (way / ms) * 1000 * KMH_IN_MPS;
};

export const fix = ({timestamp, coords: {latitude, longitude, accuracy, speed: mps}}) => ({
    at: Math.round(timestamp), latitude, longitude, accuracy, speed: mps ?? null,
});

// GeolocationPositionError.code in words.
export const problem = (code) =>
    ({
        1: 'Location is blocked: allow it for this page in the browser’s site settings, then choose GPS again.',
        2: 'This device cannot tell where it is right now; it goes on trying.',
        3: 'No fix from this device’s GPS yet; under the open sky it takes up to a minute.',
    })[code];

export const INSECURE = 'GPS needs HTTPS: browsers tell a page where it is only over https:// or on localhost.';
export const MISSING = 'This browser has no geolocation.'; // Firefox with geo.enabled off

