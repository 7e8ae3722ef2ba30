// The limits that the server keeps, one for each source and for everyone.
window.speeddash = window.speeddash || {};

window.speeddash.Limits = (() => {
    const REFRESH_MS = 30_000;

    return class {
        // changed: called when a limit is known, or another one; whether it was another before.
        constructor(changed) {
            this.changed = changed;
            this.bySource = new Map(); // source: {kmh (or null), known, askedAt, asking}
            this.problem = null; // why the last change was not stored, in words, or null
        }

        // What is stored is not what it was.
        forget() {
            this.bySource.clear();
        }

        // km/h, or null where there is none or it is not known yet.
        of(source) {
            return this.bySource.get(source)?.kmh ?? null;
        }

        // Reads the limit of a source, now and then again: somebody else may change it.
        require(source) {
            const held = this.bySource.get(source);
            if (held && (held.asking || Date.now() - held.askedAt < REFRESH_MS)) {
                return;
            }
            const entry = {kmh: held?.kmh ?? null, known: held?.known ?? false, askedAt: Date.now(), asking: true};
            this.bySource.set(source, entry);
            this.read(source, entry);
        }

        async read(source, entry) {
            const {path, ask} = window.speeddash.rest;
            let kmh = entry.kmh;
            try {
                kmh = (await ask(path(source))).limit_kmh;
            } catch (failure) {
                kmh = failure.status === 404 ? null : kmh; // not known there yet; or asked again later
            }
            if (this.bySource.get(source) === entry) {
                this.bySource.set(source, {kmh, known: true, askedAt: Date.now(), asking: false});
                if (kmh !== entry.kmh) {
                    this.changed(entry.known);
                }
            }
        }

        // Stores a limit for everyone. It shows at once, and goes back when the server cannot store it.
        async store(source, kmh) {
            const {path, change} = window.speeddash.rest;
            const before = this.of(source);
            const entry = {kmh, known: true, askedAt: Date.now(), asking: true};
            this.bySource.set(source, entry);
            this.problem = null;
            this.changed(true);
            let stored = kmh;
            try {
                await change('PATCH', path(source), {limit_kmh: kmh});
            } catch (failure) {
                stored = before;
                this.problem = `The limit was not stored: ${failure.message}.`;
            }
            if (this.bySource.get(source) === entry) {
                this.bySource.set(source, {kmh: stored, known: true, askedAt: Date.now(), asking: false});
                this.changed(true);
            }
        }
    };
})();
