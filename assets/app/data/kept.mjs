// What this browser remembers. Its memory may be full, or not there at all.

// Remembers a value as JSON; returns whether that was possible.
export const keep = (key, value) => {
    try {
        localStorage.setItem(key, JSON.stringify(value));
        return true;
    } catch {
        return false;
    }
};
