// The live path of the page: what Dash reports is handed to it. `speeddash/page/__init__.py` names these functions.

import {Upload} from './data/upload.mjs';
import {Page} from './page.mjs';
import {instant} from './view/chart.mjs';
import {Controls} from './view/controls.mjs';

// Without site data Dash does not start, and nothing could be kept that is not stored yet.
try {
    void window.localStorage;
} catch {
    const why = 'SpeedDash keeps what is not stored yet in this browser, which forbids it. Allow site data for this address, and load the page again.';
    window.addEventListener('load', () => document.body.prepend(why));
}

let page = null; // once `start` has run
const early = []; // what to do then with what came before that
let controls = null;

// Runs a function once the page has started.
const ready = (act) => (...given) => page && act(...given);

// The same with what Dash reports, unless there is none yet.
const reported = (act) => ready((given) => given && act(given));

// Runs a function with what the server tells of its own accord: now, or when the page has started.
const told = (act) => (given) => given && (page ? act(given) : early.push(() => act(given)));

// dcc.Input (Dash 4.4) restores the caret after a change, which throws in a field that has none.
const {setSelectionRange} = HTMLInputElement.prototype;
HTMLInputElement.prototype.setSelectionRange = function caret(...range) {
    return this.type === 'date' ? undefined : setSelectionRange.apply(this, range);
};

// What is asked of a server that is away does not happen: Dash would say so in the console alone.
const {fetch} = window;
window.fetch = async (...given) => {
    const answer = await fetch(...given).catch((failure) => failure);
    if (page && (answer instanceof Error || answer.status > 501)) {
        page.undone(String(given[1]?.body));
    }
    if (answer instanceof Error) {
        throw answer;
    }
    return answer;
};

// Graphs and tables come in scripts of their own, which a server that is away cannot send.
window.addEventListener('error', told(({target}) => {
    page.scriptMissed ||= target instanceof HTMLScriptElement ? 'now' : null;
}), true);

const start = async (looks) => {
    const begun = new Page(looks);
    await begun.start();
    page = begun;
    controls = new Controls(page, new Upload({maySend: looks.maySend, stored: () => page.imported()}));
    controls.listen();
    window.addEventListener('popstate', placed);
    placed();
    early.forEach((act) => act());
    navigator.serviceWorker?.register('/worker.js').catch((refused) => console.info('no offline page', refused));
};

// dcc.Location does not see what the page itself writes into the address: only the address is right.
const placed = ready(() => page.go(window.location.pathname, window.location.search));

const senderChanged = reported(({readyState}) => {
    page.sender.changed(readyState);
    if (readyState === WebSocket.OPEN && page.view.mode !== 'watch') {
        page.tracks.invalidate(page.shownSources);
    }
    page.showState();
});

const senderReceived = reported(({data}) => {
    page.sender.received(data);
    page.showState();
});

const watcherChanged = reported(({readyState}) => {
    page.watcher.changed(readyState);
    page.showState();
});

const watcherReceived = reported(({data}) => page.watcher.received(data));

const sourcesListed = told((options) => page.sourcesListed(options));

const fleetListed = told((tiles) => page.fleet.listed(tiles));

const zoomed = ready((relayout) => {
    if (relayout?.['xaxis.range[0]']) {
        page.fix([relayout['xaxis.range[0]'], relayout['xaxis.range[1]']].map((end) => instant(end, page.screen.shown.range)));
    } else if (relayout?.['xaxis.autorange'] || relayout?.['xaxis.range']) {
        page.follow();
    }
});

const dayClicked = reported((click) => controls.days(...click.points[0].customdata));

const picked = ready((first, last) => {
    page.screen.chosen('day-first', first);
    page.screen.chosen('day-last', last);
    controls.days(first, last);
});

const watched = ready((sources) => {
    if (page.screen.chosen('watched', sources) && page.view.mode === 'watch') {
        page.look({sources: sources ?? []});
    }
});

(window.dash_clientside ??= {}).speeddash = {
    start, placed, senderChanged, senderReceived, watcherChanged, watcherReceived, sourcesListed, fleetListed, zoomed, dayClicked, picked, watched,
};
