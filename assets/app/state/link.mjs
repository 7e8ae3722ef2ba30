// The connection as the page sees it. Pure functions.
//
//   {phase: 'connecting' | 'live' | 'lost' | 'resting', attempt, failures, retryAt}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const SILENT_MS = 30_000; // a frame without echo for so long: try another connection

export const start = () => ({phase: 'connecting', attempt: 0, failures: 0, retryAt: null});

export const opened = (link) => ({...link, phase: 'live', retryAt: null});

// Something was echoed: the connection is worth trusting again.
export const answered = (link) => ({...link, failures: 0});

// Back-off that doubles, with jitter, so that the pages of a restarted server do not come back at once.
export const closed = (link, now, random) => {
    const backoff = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** link.failures);
    return {...link, phase: 'lost', failures: link.failures + 1, retryAt: now + backoff * (0.5 + random() / 2)};
};

export const due = (link, now) => link.phase === 'lost' && now >= link.retryAt;

export const silent = (link, inFlight, now) => link.phase === 'live' && inFlight !== null && now - inFlight.sentAt > SILENT_MS;

export const retry = (link) => ({...link, phase: 'connecting', attempt: link.attempt + 1, retryAt: null});

// What a person is told of the connection: {text, kind}. storage: why the server cannot store, or null; frozen: it does not answer; gone: nobody
// does; idle: no connection is wanted; online: the browser has a network.
export const describe = (link, {storage, frozen, gone, idle, online, now}) => {
    if (frozen && online) {
        return {text: 'Server does not answer', kind: 'paused'};
    }
    if (gone) {
        return {text: online ? 'Server cannot be reached' : 'Offline', kind: 'offline'};
    }
    if (idle) {
        return {text: 'Nothing watched', kind: 'connecting'};
    }
    if (link.phase === 'live') {
        return storage ? {text: 'Storage paused', kind: 'paused'} : {text: 'Connected', kind: 'live'};
    }
    if (link.phase === 'lost') {
        const seconds = Math.max(1, Math.ceil((link.retryAt - now) / 1000));
        return {text: online ? `Reconnecting in ${seconds} s` : 'Offline', kind: 'offline'};
    }
    return {text: link.failures ? 'Reconnecting' : 'Connecting', kind: 'connecting'};
};

