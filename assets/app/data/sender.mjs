// The page as a sender: what it measured, until each reading has its receipt. Survives a reload, a lost connection, a dead server.

import * as Link from '../state/link.mjs';
import {Outbox} from '../state/outbox.mjs';
import {keep} from './kept.mjs';

const KEPT = 'speeddash.outbox.'; // and the identity of a tab

export class Sender {
    // open: opens a socket at a URL, null closes it; transmit: sends a text; stored: takes readings that have their receipt.
    // woken: called when it sends under another name.
    constructor({open, transmit, stored, woken}) {
        this.open = open;
        this.transmit = transmit;
        this.stored = stored;
        this.woken = woken;
        this.id = null; // of this tab
        this.held = new Set(); // names that no other tab sends under
        this.outbox = null;
        this.link = Link.start();
        this.refused = null; // readings that the server would never take: how many, and why the last
        this.overflow = false; // the browser's memory is full
    }

    get source() {
        return this.outbox?.source ?? null;
    }

    // Takes an identity, and what it has not delivered from an earlier visit. No two tabs of a browser have the same one.
    async claim(wanted) {
        this.id = await claimed(wanted);
        const kept = localStorage.getItem(KEPT + this.id);
        this.outbox = new Outbox(JSON.parse(kept ?? '{}'));
        for (const key of Object.keys(localStorage).filter((each) => each.startsWith(KEPT) && each !== KEPT + this.id)) {
            await alone(key.slice(KEPT.length), () => this.inherit(key));
        }
        if (this.outbox.waiting.length) {
            this.connect();
        }
    }

    // Takes what a tab that is gone has not delivered: nobody else would. Each reading has its source, and is stored once however often it is sent.
    inherit(key) {
        const {waiting = []} = JSON.parse(localStorage.getItem(key) ?? '{}');
        this.outbox.waiting = [...waiting, ...this.outbox.waiting];
        this.remember();
        if (!this.overflow) {
            localStorage.removeItem(key);
        }
    }

    connect() {
        this.link = Link.retry(this.link);
        this.open({source: this.source ?? this.id, try: this.link.attempt});
    }

    // Sends no more, as soon as nothing waits.
    rest() {
        if (this.link.phase !== 'resting' && !this.outbox.waiting.length) {
            this.link = {...this.link, phase: 'resting'};
            this.open(null);
        }
    }

    // Sends from now on under a name, or a similar one if another tab of this browser sends under it.
    async wake(wanted) {
        const source = wanted === this.id || this.held.has(wanted) ? wanted : await claimed(wanted);
        this.held.add(source);
        const other = this.source !== null && this.source !== source;
        this.outbox.source = source;
        if (other || this.link.phase === 'resting' || !this.link.attempt) {
            this.outbox.land();
            this.connect();
        }
        this.woken();
    }

    measure(speedKmh, at) {
        if (this.source === null) {
            return; // the name is not claimed yet
        }
        this.outbox.add(Number(speedKmh.toFixed(2)), new Date(at));
        this.send();
        this.remember();
    }

    tick(now) {
        if (Link.due(this.link, now) || Link.silent(this.link, this.outbox.inFlight, now)) {
            this.outbox.land();
            this.connect();
        }
        this.send();
    }

    send() {
        const text = this.link.phase === 'live' && this.outbox.fly(Date.now());
        if (text) {
            this.transmit(text);
        }
    }

    changed(readyState) {
        if (readyState === WebSocket.OPEN) {
            this.link = Link.opened(this.link);
            this.send();
        } else if (readyState === WebSocket.CLOSED && this.link.phase !== 'resting') {
            this.outbox.land();
            this.link = Link.closed(this.link, Date.now(), Math.random);
        }
    }

    received(text) {
        const confirmed = this.outbox.confirm(text);
        if (confirmed.length) {
            this.link = Link.answered(this.link);
            this.stored(confirmed);
        } else {
            const frame = JSON.parse(text);
            if (frame.error && this.outbox.reject(frame.error.index)) {
                this.refused = {count: (this.refused?.count ?? 0) + 1, why: frame.error.message};
            } else if (!frame.error) {
                this.stored([frame].flat().filter(({seq}) => seq !== undefined)); // sent to this connection by POST /send
            }
        }
        this.send();
        this.remember();
    }

    remember() {
        const {nextSeq, waiting} = this.outbox;
        this.overflow = !keep(KEPT + this.id, JSON.stringify({nextSeq, waiting})); // said on the page: what waits is in this tab's memory alone
    }
};

// Acts if no other tab of this browser holds a name, as far as the browser can tell.
const alone = (name, act) => navigator.locks?.request(`speeddash.${name}`, {ifAvailable: true}, (lock) => lock && act()) ?? act();

// A name that no other tab of this browser holds: the wanted one, or with a number behind it; held until this tab goes.
const claimed = async (wanted) => {
    if (!navigator.locks) {
        // Plain HTTP from another machine: a name for this tab, which a reload keeps.
        const tab = sessionStorage.getItem('speeddash.tab') ?? Math.random().toString(36).slice(2, 6);
        sessionStorage.setItem('speeddash.tab', tab);
        return `${wanted}-${tab}`;
    }
    for (let n = 1; ; n += 1) {
        const source = n === 1 ? wanted : `${wanted.slice(0, 60)}-${n}`;
        const held = await new Promise((resolve) => {
            navigator.locks.request(`speeddash.${source}`, {ifAvailable: true}, (lock) => {
                resolve(lock !== null);
                return lock && new Promise(() => {});
            });
        });
        if (held) {
            return source;
        }
    }
};

// The identity of this browser.
export const ownId = () => {
    const browser = localStorage.getItem('speeddash.browser') ?? Math.random().toString(36).slice(2, 6);
    keep('speeddash.browser', browser); // else another name at the next visit
    return `page-${browser}`;
};
