// What this browser remembers. Its memory may be full, or not there at all.

// Remembers a text; returns whether that was possible.
export const keep = (key, text) => {
    try {
        localStorage.setItem(key, text);
        return true;
    } catch {
        return false;
    }
};
