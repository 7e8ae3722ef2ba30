// The server's REST interface.

export const iso = (ms) => new Date(ms).toISOString();

export const address = (what, parameters) => `/api/v1/${what}?${new URLSearchParams(parameters)}`;

// What the server answers.
//
// Throws: Error with the server's own words.
export const ask = async (what, parameters = {}) => {
    const answer = await fetch(address(what, parameters)).catch(() => {
        throw new Error('the server cannot be reached');
    });
    const text = await answer.text();
    const body = text && /json/.test(answer.headers.get('Content-Type')) ? JSON.parse(text) : {};
    if (!answer.ok) {
        throw new Error(body.detail ?? `the server answered ${answer.status}`);
    }
    return body;
};
