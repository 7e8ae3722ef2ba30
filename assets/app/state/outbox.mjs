// The outbox: what was measured and has no receipt yet. Pure functions; an outbox is never changed, a new one is returned.
//
//   {source (of the next reading), nextSeq, waiting: [reading], inFlight: null | {text, count, sentAt}, attempt, limit}
//
// At most one frame is in flight, because the socket component keeps only the newest message of a burst.
// An echo is the receipt: the very text that was sent. Until it comes, the readings stay here.

const MAX_FRAME_READINGS = 500;

export const create = (kept) => ({
    source: null,
    nextSeq: kept?.nextSeq ?? 0,
    waiting: kept?.waiting ?? [],
    inFlight: null,
    attempt: 0,
    limit: MAX_FRAME_READINGS,
});

export const add = (outbox, speed, at) => ({
    ...outbox,
    nextSeq: outbox.nextSeq + 1,
    waiting: [
        ...outbox.waiting,
        {source: outbox.source, timestamp: at.toISOString(), seq: outbox.nextSeq, speed},
    ],
});

// Puts the next frame in flight, if there is something to send and nothing is.
export const fly = (outbox, now) => {
    if (outbox.inFlight || !outbox.waiting.length) {
        return outbox;
    }
    const readings = outbox.waiting.slice(0, outbox.limit);
    const attempt = outbox.attempt + 1;
    // The component does not send an equal string twice: white space sets a second try apart.
    const text = JSON.stringify(readings.length === 1 ? readings[0] : readings) + ' '.repeat(attempt % 2);
    return {...outbox, attempt, inFlight: {text, count: readings.length, sentAt: now}};
};

// The connection is gone: what was in flight waits again.
export const land = (outbox) => ({...outbox, inFlight: null});

// What a received text means: readings that now have their receipt, or none.
export const confirm = (outbox, text) => {
    if (!outbox.inFlight || outbox.inFlight.text !== text) {
        return {outbox, confirmed: []};
    }
    const {count} = outbox.inFlight;
    return {
        outbox: {...outbox, waiting: outbox.waiting.slice(count), inFlight: null, limit: MAX_FRAME_READINGS},
        confirmed: outbox.waiting.slice(0, count),
    };
};

// The server refuses a frame as a whole. The reading it names leaves, the others are sent again;
// where it names none, they go one by one until it does.
export const refuse = (outbox, index) => {
    const {inFlight} = outbox;
    if (!inFlight) {
        return {outbox, refused: null};
    }
    const at = index ?? (inFlight.count === 1 ? 0 : null);
    if (at === null) {
        return {outbox: {...outbox, inFlight: null, limit: 1}, refused: null};
    }
    const waiting = outbox.waiting.filter((_, place) => place !== at);
    return {outbox: {...outbox, waiting, inFlight: null}, refused: outbox.waiting[at]};
};

export const kept = ({nextSeq, waiting}) => ({nextSeq, waiting});

