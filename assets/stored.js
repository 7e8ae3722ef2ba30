// What the server keeps of the sources beside their readings, and what a person does to it: limits, events, trips, exact figures,
// other names, files that are imported.
window.speeddash = window.speeddash || {};

window.speeddash.Stored = class {
    constructor(page) {
        const {Totals, Limits, EventLog, TripLog, Manage, Import} = window.speeddash;
        this.page = page;
        this.totals = new Totals(() => page.painter.drawSoon());
        this.limits = new Limits((another) => {
            if (another) {
                this.events.forget();
            }
            page.look({});
        });
        this.events = new EventLog(() => this.list());
        this.trips = new TripLog((range) => page.fix(range));
        this.manage = new Manage({
            renamed: (_, name) => this.watch([name]),
            deleted: () => this.watch([]),
        });
        this.import = new Import({
            units: page.looks.units,
            done: ({sources, from, to}) => this.imported(sources, [from, to]),
        });
    }

    // The lists beside the chart, which ask the server now and then.
    list() {
        const {page} = this;
        const {shown} = page.screen;
        if (document.hidden || !shown || page.storage) {
            return; // nobody looks, or a database that stands still would only be asked more
        }
        const {shownSources: sources, unit, isFixed, only, limit, view} = page;
        if (only !== null) {
            this.limits.require(only);
        }
        if (view.kiosk || view.drive) {
            return;
        }
        const range = page.range(Date.now());
        const newest = Math.max(0, ...sources.map((source) => page.painter.latest(source)?.at ?? 0));
        this.trips.look({sources, fixed: isFixed ? range : null, unit, latest: newest});
        this.events.require(sources, range, isFixed, newest);
        page.screen.downloads(only, range, view.unit);
        const slack = Math.max(0, ...shown.series.map(({points}) => points.width));
        const own = page.painter.above(shown);
        this.events.write(this.events.events(range, own, slack, view.limit === null), {limit, several: sources.length > 1, unit, mayStore: page.looks.maySend});
    }

    // Other sources, or the same anew: what is held of them may not be what is stored.
    watch(sources) {
        this.page.tracks.only([]);
        [this.totals, this.limits, this.events].forEach((each) => each.forget());
        this.trips.forget([]);
        this.page.look({...window.speeddash.view.follow(this.page.view), mode: 'watch', sources});
    }

    imported(sources, [from, to]) {
        this.page.gps.stop();
        this.watch(sources);
        const margin = Math.max(5_000, (to - from) / 50);
        this.page.fix([from - margin, to + margin]);
    }

    // A person's own limit: kept by the server where it is for one source; for several it is of this view alone.
    setLimit(kmh) {
        if (this.page.only === null) {
            this.page.look({limit: kmh});
        } else {
            this.page.view = {...this.page.view, limit: null};
            this.limits.store(this.page.only, kmh);
        }
    }
};
