// A random drive that a person would believe: pull away, cruise, slow down, stand still. Pure: the chance comes from outside.

const TARGETS_KMH = [0, 0, 30, 50, 50, 70, 100, 120, 130, 160, 190];
const TOP_KMH = 200;
const LONGEST_STEP_S = 60; // a hidden tab ticks once a minute

export const start = () => ({speed: 0, target: 50, holdS: 0});

// km/h gained in a second: strong at low speed, weak near the top.
const pull = (speed) => 1.5 + 9 * Math.max(0, 1 - speed / 160);
const BRAKE_KMH_S = 11;

const second = ({speed, target, holdS}, random) => {
    const gap = target - speed;
    if (Math.abs(gap) > 2) {
        const step = gap > 0 ? Math.min(gap, pull(speed)) : Math.max(gap, -BRAKE_KMH_S);
        return {speed: speed + step * (0.75 + 0.5 * random()), target, holdS: 0};
    }
    if (holdS <= 0) {
        return {speed, target, holdS: target === 0 ? 3 + 10 * random() : 8 + 25 * random()};
    }
    if (holdS <= 1) {
        return {speed, target: TARGETS_KMH[Math.floor(random() * TARGETS_KMH.length)], holdS: 0};
    }
    const wobble = target === 0 ? -speed : (random() - 0.5) * 1.6;
    return {speed: speed + wobble, target, holdS: holdS - 1};
};

export const advance = (drive, seconds, random) => {
    let next = drive;
    for (let n = Math.max(1, Math.round(Math.min(seconds, LONGEST_STEP_S))); n > 0; n -= 1) {
        next = second(next, random);
    }
    return {...next, speed: Math.min(TOP_KMH, Math.max(0, next.speed))};
};

