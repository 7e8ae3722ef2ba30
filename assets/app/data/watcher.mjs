// The page as a watcher of other sources: each pull asks for one answer, so that a slow page gets larger ones and loses nothing. With
// several on their way, Dash keeps only the newest of those that come while the page is busy.

import * as Link from '../state/link.mjs';

const MAX_QUERY = 7_000; // of the 8,192 bytes that a request line may have

export class Watcher {
    // open: opens a socket at a query, null closes it; transmit: sends a text; arrived: takes readings; missed: called with the
    // sources when some readings may have gone by unseen; intervalMs: returns the shortest time between two answers.
    constructor({open, transmit, arrived, missed, intervalMs}) {
        this.open = open;
        this.transmit = transmit;
        this.arrived = arrived;
        this.missed = missed;
        this.intervalMs = intervalMs;
        this.sources = [];
        this.link = Link.start();
        this.pulls = 0;
    }

    // Watches these sources from now on; none closes the connection.
    watch(sources) {
        if (sources.join() === this.sources.join() && sources.length === this.sources.length) {
            return;
        }
        this.sources = sources;
        if (sources.length) {
            this.connect();
        } else {
            this.link = Link.start();
            this.open(null);
        }
    }

    connect() {
        this.link = Link.retry(this.link);
        const named = new URLSearchParams(this.sources.map((source) => ['source', source]));
        const query = String(named).length < MAX_QUERY ? named : new URLSearchParams(); // all sources, of which those that are shown count
        query.set('try', String(this.link.attempt));
        this.open(query);
    }

    tick(now) {
        if (this.sources.length && Link.due(this.link, now)) {
            this.connect();
        }
    }

    changed(readyState) {
        if (!this.sources.length) {
            return;
        }
        if (readyState === WebSocket.OPEN) {
            this.link = Link.answered(Link.opened(this.link));
            this.missed(this.sources);
            this.pull();
        } else if (readyState === WebSocket.CLOSED) {
            this.link = Link.closed(this.link, Date.now(), Math.random);
        }
    }

    pull() {
        this.pulls += 1;
        this.transmit(JSON.stringify({pull: this.pulls, interval_ms: this.intervalMs()}));
    }

    received(text) {
        const {source, timestamp, seq, speed, dropped, error} = JSON.parse(text);
        if (error) {
            throw new Error(error.message); // this page sends nothing but pulls
        }
        this.pull(); // first: whatever fails here, the next answer comes
        this.arrived(source.map((name, n) => ({source: name, timestamp: timestamp[n], seq: seq[n], speed: speed[n]})));
        if (dropped) {
            this.missed(this.sources);
        }
    }
}
