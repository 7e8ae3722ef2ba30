// What each button, choice and key does.

import {savePicture} from './exports.mjs';
import * as View from '../state/view.mjs';

const PAPER_MS = 500; // a thousand rows
const DRAWN_MS = 2_000; // charts that come from the server

export class Controls {
    constructor(page, upload) {
        this.page = page;
        this.upload = upload;
        this.menu = /** @type {HTMLDetailsElement} */ (document.getElementById('settings'));
        this.actions = {
            pause: () => (page.isFixed ? page.follow() : page.move(0)),
            'go-live': () => page.follow(),
            earlier: () => page.move(-0.5),
            later: () => page.move(0.5),
            'show-latest': () => page.showLatest(),
            'export-png': () => savePicture(page.screen.shown),
            fullscreen: () => this.fullScreen(),
            driving: () => page.look({drive: true, from: null, to: null}),
            'leave-driving': () => page.look({drive: false, mirror: false}),
            mirror: () => page.look({mirror: !page.view.mirror}),
            'show-table': () => this.table(),
            help: () => /** @type {HTMLDialogElement} */ (document.getElementById('keys')).showModal(),
            'open-import': () => upload.open(),
            'open-import-here': () => upload.open(),
            'import-choose': () => upload.choose(),
            'import-start': () => upload.start(),
            'import-close': () => upload.close(),
            'trips-print': () => this.print(),
            'fleet-fullscreen': () => this.fullScreen(),
            'choose-sensor': () => page.devices.bluetooth.choose(),
        };
        this.choices = {
            source: (value) => value !== page.view.mode && page.mode(value),
            window: (value) => page.follow(value),
            unit: (value) => page.look({unit: value}),
            theme: (value) => page.look({theme: value}),
            ...Object.fromEntries(Object.keys(page.alarm.settings).map((name) => [name, (value) => page.alarm.set({[name]: value})])),
        };
        const windows = Object.keys(View.WINDOWS).map((name, n) => [String(n + 1), () => this.choices.window(name)]);
        this.liveKeys = {
            ' ': this.actions.pause,
            ...Object.fromEntries(windows),
            ArrowLeft: this.actions.earlier,
            ArrowRight: this.actions.later,
            l: this.actions['go-live'],
            d: () => this.actions[page.view.drive ? 'leave-driving' : 'driving'](),
            m: this.actions.mirror,
        };
        this.keys = {
            u: () => page.look({unit: this.next(Object.keys(page.looks.units), page.view.unit)}),
            i: () => upload.open(),
            t: () => page.look({theme: this.next(View.THEMES, page.view.theme)}),
            f: this.actions.fullscreen,
            '?': this.actions.help,
        };
    }

    listen() {
        document.addEventListener('click', (event) => this.clicked(event));
        document.addEventListener('keydown', (event) => this.keyDown(event));
        document.addEventListener('input', () => this.page.screen.unsay());
        this.upload.listen();
        window.addEventListener('afterprint', () => {
            this.trips('normal');
            this.page.show();
        });
    }

    // Not by callbacks: buttons of places come and go, and full screen and sensors are given to a click alone.
    clicked({target}) {
        this.page.wasUndone = false;
        this.page.alarm.audio?.resume();
        const choice = target.closest('.choice [data-value]');
        if (choice) {
            this.choices[choice.parentElement.id](choice.dataset.value);
        }
        const {menu} = this;
        const done = menu.contains(target) && target.closest('button') && !choice;
        if (menu.open && (done || !menu.contains(target))) {
            menu.open = false;
        }
        if (target.closest('#import-box a')) {
            this.upload.close();
        }
        this.actions[target.closest('button')?.id]?.();
        this.page.askSoon();
    }

    // A key belongs to the page unless a person is typing, choosing, or has a button under it. Shortcuts of one character can be switched
    // off (WCAG 2.1.4).
    keyDown(event) {
        const {page} = this;
        if (event.key === 'Escape' && page.view.drive) {
            this.actions['leave-driving']();
            return;
        }
        const {menu} = this;
        if (event.key === 'Escape' && menu.open) {
            menu.open = false;
            menu.querySelector('summary').focus();
            return;
        }
        const busy = event.target.closest('input, textarea, select, dialog, nav, table, [role=listbox], [role=grid], [role=option], [role=dialog], [contenteditable]');
        const onButton = [' ', 'ArrowLeft', 'ArrowRight'].includes(event.key) && event.target.closest('button, a, summary, input, [tabindex="0"]');
        const action = (page.place === '/' && this.liveKeys[event.key]) || this.keys[event.key];
        if (!action || busy || onButton || event.ctrlKey || event.metaKey || event.altKey || page.alarm.settings.shortcuts === 'off') {
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

    // On the screen the list of trips has the rows that are seen, on paper all of them; it makes them soon, not at once.
    print() {
        const {page} = this;
        this.trips('print');
        page.screen.reader(page.view.unit, false); // paper is light; the server draws the charts for it
        setTimeout(() => window.print(), page.dark ? DRAWN_MS : PAPER_MS);
    }

    trips(layout) {
        window.dash_ag_grid?.getApi('trips-grid')?.setGridOption('domLayout', layout);
    }

    table() {
        const box = document.getElementById('table');
        box.hidden = !box.hidden;
        this.page.screen.set('show-table', {'aria-expanded': String(!box.hidden)});
        this.page.screen.table();
    }

    // Whole local days, the last one included; an empty field is the other's day. The fields are changed by the page as well.
    days(first, last) {
        const {page} = this;
        const [begin, end] = [first || last, last || first];
        if (!begin || `${begin} ${end}` === page.screen.days) {
            return;
        }
        const [from, to] = [new Date(`${begin}T00:00`), new Date(`${end}T00:00`)];
        to.setDate(to.getDate() + 1);
        page.problems = from < to ? [] : ['From must be before To.'];
        if (from < to) {
            page.fix([from.getTime(), to.getTime()]);
        } else {
            page.showState();
        }
    }
}
