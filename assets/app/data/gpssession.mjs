// This device's GPS as a source, from the moment it is chosen until another one is.

import * as Gps from '../state/gps.mjs';

const DISORDER_MS = 5_000;

export class GpsSession {
    // measured: takes a speed (km/h) and when it was (epoch ms); changed: called when there is news of any kind.
    constructor({measured, changed}) {
        this.measured = measured;
        this.changed = changed;
        this.stop();
    }

    start() {
        this.problem = !window.isSecureContext ? Gps.INSECURE : !navigator.geolocation ? Gps.MISSING : null;
        if (this.problem) {
            return;
        }
        this.watch = navigator.geolocation.watchPosition(
            (position) => this.located(Gps.fix(position)),
            ({code}) => {
                this.problem = Gps.problem(code);
                this.changed();
            },
            {enableHighAccuracy: true, maximumAge: 0, timeout: 30_000},
        );
        this.stayAwake();
    }

    stop() {
        navigator.geolocation?.clearWatch(this.watch); // of none it does nothing
        this.lock?.release();
        Object.assign(this, {watch: null, before: null, problem: null, lock: null});
    }

    located(fix) {
        const back = this.before ? this.before.at - fix.at : -1;
        if (back >= 0 && back < DISORDER_MS) {
            return;
        }
        const speed = Gps.speed(back < 0 ? this.before : null, fix); // a clock that was set back begins anew
        this.before = fix;
        this.problem = null;
        if (speed !== null) {
            this.measured(speed, fix.at);
        }
        this.changed();
    }

    // The screen stays on while this device's GPS sends; a hidden page loses the lock and asks again when it is seen.
    stayAwake() {
        if (this.watch !== null && !document.hidden) {
            navigator.wakeLock?.request('screen').then(
                (lock) => {
                    this.lock = lock;
                    if (this.watch === null) { // left meanwhile
                        lock.release();
                    }
                },
                (refused) => console.info('the screen may turn off', refused), // a nearly empty battery, for example
            );
        }
    }
};
