// The outbox: what was measured and has no receipt yet.
//
// At most one frame is in flight, because the socket component keeps only the newest message of a burst.
// An echo is the receipt: the very text that was sent. Until it comes, the readings stay here.

const MAX_FRAME_READINGS = 500;

export class Outbox {
    source = null; // of the next reading
    inFlight = null; // or {text, count, sentAt}
    attempt = 0;
    limit = MAX_FRAME_READINGS;

    constructor({nextSeq = 0, waiting = []}) {
        this.nextSeq = nextSeq;
        this.waiting = waiting;
    }

    add(speed, at) {
        this.waiting.push({source: this.source, timestamp: at.toISOString(), seq: this.nextSeq, speed});
        this.nextSeq += 1;
    }

    // Puts the next frame in flight and returns its text; null if there is nothing to send, or something is in flight.
    fly(now) {
        if (this.inFlight || !this.waiting.length) {
            return null;
        }
        const readings = this.waiting.slice(0, this.limit);
        this.attempt += 1;
        // The component does not send an equal string twice: white space sets a second try apart.
        const text = JSON.stringify(readings.length === 1 ? readings[0] : readings) + ' '.repeat(this.attempt % 2);
        this.inFlight = {text, count: readings.length, sentAt: now};
        return text;
    }

    // The connection is gone: what was in flight waits again.
    land() {
        this.inFlight = null;
    }

    // What a received text means: readings that now have their receipt, or none.
    confirm(text) {
        if (this.inFlight?.text !== text) {
            return [];
        }
        const confirmed = this.waiting.splice(0, this.inFlight.count);
        Object.assign(this, {inFlight: null, limit: MAX_FRAME_READINGS});
        return confirmed;
    }

    // The server rejects a frame as a whole. The reading it names leaves, the others are sent again; where it names none, they go one by
    // one until it does. Returns whether one has left.
    reject(index) {
        if (!this.inFlight) {
            return false;
        }
        const at = index ?? (this.inFlight.count === 1 ? 0 : null);
        this.inFlight = null;
        if (at === null) {
            this.limit = 1;
            return false;
        }
        return this.waiting.splice(at, 1).length > 0;
    }
}
