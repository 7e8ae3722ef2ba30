// The server's REST interface.

const BASE = '/api/v1/';
const MAX_PAGES = 20;

export const iso = (ms) => new Date(ms).toISOString();

// A source in a path; the one without a name is called ~ there.
export const path = (source) => `sources/${source === '' ? '~' : encodeURIComponent(source)}`;

const reached = (url, options) =>
    fetch(url, options).catch(() => {
        throw new Error('the server cannot be reached');
    });

// What an answer says.
//
// Throws: Error with the server's own words, and its `status`.
export const read = async (answer) => {
    const text = await answer.text();
    const body = text && /json/.test(answer.headers.get('Content-Type')) ? JSON.parse(text) : {};
    if (!answer.ok) {
        throw Object.assign(new Error(body.detail ?? `the server answered ${answer.status}`), {status: answer.status});
    }
    return body;
};

export const address = (what, parameters) => `${BASE}${what}?${new URLSearchParams(parameters)}`;

export const ask = async (what, parameters = {}) => read(await reached(address(what, parameters)));

export const change = async (method, what, body) => {
    const content = body === undefined ? {} : {headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)};
    return read(await reached(BASE + what, {method, ...content}));
};

// The parameters of the page after an answer, or null: trips continue with `from`, other lists with `cursor`.
const following = ({next_cursor: cursor, next_from: from}) => {
    if (cursor) {
        return {cursor};
    }
    return from ? {from} : null;
};

// All entries of a list that comes in pages.
export const all = async (what, parameters) => {
    const found = [];
    let page = {};
    for (let pages = 0; page !== null && pages < MAX_PAGES; pages += 1) {
        const answer = await ask(what, {...parameters, ...page});
        found.push(...answer[what]);
        page = following(answer);
    }
    return found;
};

