// The page as a sender: what it measured, until each reading has its receipt. Survives a reload, a lost connection, a dead server.
window.speeddash = window.speeddash || {};

window.speeddash.Sender = class {
    // open: opens a socket at a URL, null closes it; transmit: sends a text; stored: takes readings that have their receipt.
    constructor({open, transmit, stored}) {
        Object.assign(this, {open, transmit, stored});
        this.outbox = null;
        this.link = window.speeddash.link.start();
        this.refused = null; // readings that the server would never take: how many, and why the last
        this.overflow = false; // the browser's memory is full
    }

    get source() {
        return this.outbox?.source ?? null;
    }

    // Takes a name, and what it has not delivered from an earlier visit. No two tabs of a browser send under one name.
    async claim(wanted) {
        const source = await window.speeddash.claimed(wanted);
        const kept = localStorage.getItem(`speeddash.outbox.${source}`);
        this.outbox = window.speeddash.outbox.create(source, kept && JSON.parse(kept));
    }

    connect() {
        this.link = window.speeddash.link.retry(this.link);
        this.open({source: this.source, try: this.link.attempt});
    }

    // Sends no more, as soon as nothing waits.
    rest() {
        if (this.link.phase !== 'resting' && !this.outbox.waiting.length) {
            this.link = {...this.link, phase: 'resting'};
            this.open(null);
        }
    }

    wake() {
        if (this.link.phase === 'resting' || !this.link.attempt) {
            this.connect();
        }
    }

    measure(speedKmh, at) {
        this.outbox = window.speeddash.outbox.add(this.outbox, Number(speedKmh.toFixed(2)), new Date(at));
        this.send();
        this.remember();
    }

    tick(now) {
        const {link: Link, outbox: Outbox} = window.speeddash;
        if (Link.due(this.link, now) || Link.silent(this.link, this.outbox.inFlight, now)) {
            this.outbox = Outbox.land(this.outbox);
            this.connect();
        }
        this.send();
    }

    send() {
        const before = this.outbox.inFlight;
        if (this.link.phase !== 'live') {
            return;
        }
        this.outbox = window.speeddash.outbox.fly(this.outbox, Date.now());
        if (this.outbox.inFlight !== before) {
            this.transmit(this.outbox.inFlight.text);
        }
    }

    changed(readyState) {
        const {link: Link, outbox: Outbox} = window.speeddash;
        if (readyState === WebSocket.OPEN) {
            this.link = Link.opened(this.link);
            this.send();
        } else if (readyState === WebSocket.CLOSED && this.link.phase !== 'resting') {
            this.outbox = Outbox.land(this.outbox);
            this.link = Link.closed(this.link, Date.now(), Math.random);
        }
    }

    received(text) {
        const {link: Link, outbox: Outbox} = window.speeddash;
        const {outbox, confirmed} = Outbox.confirm(this.outbox, text);
        this.outbox = outbox;
        if (confirmed.length) {
            this.link = Link.answered(this.link);
            this.stored(confirmed);
        } else {
            const frame = JSON.parse(text);
            if (frame.error) {
                this.refuse(frame.error);
            } else {
                this.stored([frame].flat().filter(({seq}) => seq !== undefined)); // sent to this connection by POST /send
            }
        }
        this.send();
        this.remember();
    }

    refuse({index, message}) {
        const {outbox, refused} = window.speeddash.outbox.refuse(this.outbox, index);
        this.outbox = outbox;
        if (refused) {
            this.refused = {count: (this.refused?.count ?? 0) + 1, why: message};
        }
    }

    remember() {
        try {
            localStorage.setItem(`speeddash.outbox.${this.source}`, JSON.stringify(window.speeddash.outbox.kept(this.outbox)));
            this.overflow = false;
        } catch {
            this.overflow = true; // said on the page: what waits is in this tab's memory alone
        }
    }
};

// A name that no other tab of this browser holds: the wanted one, or with a number behind it; held until this tab goes.
window.speeddash.claimed = async (wanted) => {
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

// The name of this browser, for when a person gives none.
window.speeddash.ownName = () => {
    const browser = localStorage.getItem('speeddash.browser') ?? Math.random().toString(36).slice(2, 6);
    localStorage.setItem('speeddash.browser', browser);
    return `page-${browser}`;
};
