// The server's REST interface.

export const iso = (ms) => new Date(ms).toISOString();

export const address = (what, parameters) => `/api/v1/${what}?${new URLSearchParams(parameters)}`;

// Why it did not do what was asked, in its own words. body: what it answered, or null where that is no JSON.
export const failure = (status, body) => body?.detail ?? `the server answered ${status}`;

// What the server answers.
//
// Throws: Error with the server's own words.
export const ask = async (what, parameters) => {
    const answer = await fetch(address(what, parameters)).catch(() => {
        throw new Error('the server cannot be reached');
    });
    const body = await answer.json().catch(() => null);
    if (!answer.ok || body === null) {
        throw new Error(answer.ok ? 'the answer of the server broke off' : failure(answer.status, body));
    }
    return body;
};
