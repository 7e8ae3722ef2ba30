// What a person should notice also while the page is in the background: a source above its limit, a source that fell silent.
//
//   settings: {sound, notify, shortcuts: 'on' | 'off', hold: seconds above the limit before it counts, silence: minutes, or '0' for never};
//   all texts, remembered by the browser.

import {keep} from '../data/kept.mjs';
import {AHEAD_MS} from '../state/track.mjs';
import * as Units from '../state/units.mjs';

const BEEP_MS = 2_000;
const DEFAULTS = {sound: 'off', notify: 'off', shortcuts: 'on', hold: '0', silence: '0'};

export class Alarm {
    constructor(page) {
        this.page = page;
        this.settings = {...DEFAULTS, ...JSON.parse(localStorage.getItem('speeddash.alarm') ?? '{}')};
        this.bySource = new Map(); // source: {speed, since (above the limit, epoch ms, or null), at, cameAt, told, silent}
        this.beepedAt = 0;
        this.audio = null;
        this.words = ''; // what is wrong now, in words
    }

    // Whether sources are to be watched while another place is shown.
    get wanted() {
        return this.settings.sound === 'on' || this.settings.notify === 'on';
    }

    set(changes) {
        this.settings = {...this.settings, ...changes};
        keep('speeddash.alarm', JSON.stringify(this.settings));
        if (changes.sound === 'on') {
            this.beep(); // a browser lets a page sound only after a click: this is one
        }
        if (changes.notify === 'on' && 'Notification' in window) {
            Notification.requestPermission();
        }
        this.page.show();
    }

    arrived(readings) {
        const now = Date.now();
        for (const {source, speed, timestamp} of readings) {
            const limit = this.page.limitOf(source);
            const held = this.bySource.get(source);
            const at = Date.parse(timestamp);
            if (at < held?.at && held.at < now + AHEAD_MS) {
                continue; // it came late: it says nothing about now
            }
            const over = limit !== null && speed > limit;
            const since = over ? held?.since ?? now : null;
            this.bySource.set(source, {speed, limit, since, at, cameAt: now, told: over && (held?.told ?? false), silent: false});
        }
        this.tick(now);
    }

    tick(now) {
        const {page, settings} = this;
        const over = [];
        const seen = [...page.watcher.sources, page.own];
        [...this.bySource.keys()].filter((source) => !seen.includes(source)).forEach((source) => this.bySource.delete(source));
        for (const [source, held] of this.bySource) {
            const silentMs = 60_000 * Number(settings.silence);
            if (silentMs && now - held.cameAt > silentMs && !held.silent) {
                held.silent = true;
                held.since = null;
                this.tell(`${page.nameOf(source)} is silent for ${settings.silence} min`);
            }
            if (held.since !== null && now - held.since >= 1000 * Number(settings.hold) && now - held.cameAt < 10_000) {
                over.push(`${page.nameOf(source)} ${Units.text(held.speed, page.unit, 0)}, limit ${Units.text(held.limit, page.unit, 0)}`);
                if (!held.told) {
                    held.told = true;
                    this.tell(`Above the limit: ${over.at(-1)}`);
                }
            }
        }
        this.words = over.length ? `Above the limit: ${over.join('; ')}` : '';
        document.title = over.length ? `⚠ ${over[0]} · ${page.title}` : page.title;
        if (over.length && settings.sound === 'on' && now - this.beepedAt > BEEP_MS) {
            this.beep();
        }
    }

    // A notification of the browser, only while nobody looks.
    tell(text) {
        if (this.settings.notify === 'on' && document.hidden && window.Notification?.permission === 'granted') {
            const shown = {body: text, tag: text.split(' ')[0]};
            try {
                new Notification('SpeedDash', shown);
            } catch { // Chrome on Android lets only a service worker notify
                navigator.serviceWorker?.ready.then((worker) => worker.showNotification('SpeedDash', shown));
            }
        }
    }

    // Whether the browser waits for a click before it lets the page sound.
    get isMute() {
        return this.settings.sound === 'on' && this.audio?.state === 'suspended';
    }

    beep() {
        this.beepedAt = Date.now();
        this.audio ??= window.AudioContext ? new AudioContext() : null; // Firefox with dom.webaudio.enabled off has none
        if (!this.audio) {
            return;
        }
        const [tone, volume] = [this.audio.createOscillator(), this.audio.createGain()];
        volume.gain.setValueAtTime(0.2, this.audio.currentTime);
        volume.gain.exponentialRampToValueAtTime(0.001, this.audio.currentTime + 0.4);
        tone.frequency.value = 880;
        tone.connect(volume).connect(this.audio.destination);
        tone.start();
        tone.stop(this.audio.currentTime + 0.4);
    }
}
