// What each button, field and key does.
window.speeddash = window.speeddash || {};

window.speeddash.Controls = class {
    constructor(page) {
        this.page = page;
        const {view: View, exports: Exports} = window.speeddash;
        this.actions = {
            pause: () => (page.isFixed ? page.follow() : page.standStill()),
            'go-live': () => page.follow(),
            earlier: () => page.move(-0.5),
            later: () => page.move(0.5),
            'show-latest': () => page.showLatest(),
            'export-png': () => Exports.png(page.screen.shown),
            'export-csv': () => Exports.csv(page.screen.shown),
            'show-table': () => page.painter.toggleTable(),
            fullscreen: () => this.fullScreen(),
            driving: () => page.look({drive: true}),
            'leave-driving': () => page.look({drive: false, mirror: false}),
            mirror: () => page.look({mirror: !page.view.mirror}),
            help: () => this.help(),
            'open-import': () => page.stored.import.open(),
            'close-help': () => document.querySelector('#keys').close(),
        };
        this.choices = {
            source: (value) => value !== page.view.mode && page.mode(value),
            watched: (value) => page.view.mode === 'watch' && page.look({sources: value ?? []}),
            window: (value) => page.look({...View.follow(page.view), window: value}),
            unit: (value) => page.look({unit: value}),
            theme: (value) => page.look({theme: value}),
            limit: (value) => page.stored.setLimit(value > 0 ? value * page.unit.kmh : null),
            from: () => this.between(),
            to: () => this.between(),
        };
        this.keys = {
            ' ': this.actions.pause,
            ...Object.fromEntries(Object.keys(View.WINDOWS).map((name, n) => [String(n + 1), () => this.choices.window(name)])),
            ArrowLeft: this.actions.earlier,
            ArrowRight: this.actions.later,
            l: this.actions['go-live'],
            u: () => page.look({unit: this.next(Object.keys(page.looks.units), page.view.unit)}),
            i: () => page.looks.maySend && page.stored.import.open(),
            t: () => page.look({theme: this.next(View.THEMES, page.view.theme)}),
            d: () => page.look({drive: !page.view.drive, mirror: false}),
            m: this.actions.mirror,
            f: this.actions.fullscreen,
            '?': this.actions.help,
            Escape: () => page.view.drive && this.actions['leave-driving'](),
        };
    }

    listen() {
        document.addEventListener('click', (event) => this.clicked(event));
        document.addEventListener('keydown', (event) => this.keyDown(event));
    }

    clicked({target}) {
        const button = target.closest('[data-value]');
        if (button) {
            this.choices[button.parentElement.id](button.dataset.value);
        }
    }

    // A key belongs to the page unless a person is typing, choosing, or has a button under it.
    keyDown(event) {
        const busy = event.target.closest('input, textarea, select, dialog, [role=listbox], [contenteditable]');
        const onButton = event.key === ' ' && event.target.closest('button, a, summary, input');
        const action = this.keys[event.key];
        if (!action || busy || onButton || event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        event.preventDefault();
        action();
    }

    next(choices, current) {
        return choices[(choices.indexOf(current) + 1) % choices.length];
    }

    fullScreen() {
        return document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.(); // an iPhone has none
    }

    help() {
        this.page.screen.set('keys-text', {children: this.page.looks.help});
        document.querySelector('#keys').showModal();
    }

    // A range is shown as soon as both its ends are there and in order.
    between() {
        const {chart: Chart, view: View} = window.speeddash;
        const given = ['from', 'to'].map((id) => document.getElementById(id).value);
        const [from, to] = given.map((text) => (text ? Chart.instant(text) : null));
        if (from === null && to === null) {
            this.page.follow();
        } else if (from !== null && to !== null && from < to) {
            this.page.problems = [];
            this.page.look(View.fix(this.page.view, [from, to]));
        } else {
            this.page.problems = from !== null && to !== null ? ['From must be before To.'] : [];
            this.page.showState();
        }
    }
};
