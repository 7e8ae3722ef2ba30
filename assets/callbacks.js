// What Dash reports, handed to the page. `speeddash/page/__init__.py` names these functions.
window.dash_clientside = window.dash_clientside || {};

window.dash_clientside.speeddash = (() => {
    let page = null; // once `start` has run

    const start = async (looks) => {
        const {view: View, Page} = window.speeddash;
        const remembered = JSON.parse(localStorage.getItem('speeddash.view') ?? '{}');
        const begun = new Page(looks, View.parse(window.location.search, remembered, looks.units, Date.now()));
        await begun.start();
        page = begun;
    };

    const senderChanged = (state) => {
        if (page && state) {
            page.sender.changed(state.readyState);
            if (state.readyState === WebSocket.OPEN) {
                page.tracks.doubt([page.sender.source]);
            }
            page.showState();
        }
    };

    const senderReceived = (message) => {
        if (page && message) {
            page.sender.received(message.data);
            page.showState();
        }
    };

    const watcherChanged = (state) => {
        if (page && state) {
            page.watcher.changed(state.readyState);
            page.showState();
        }
    };

    const watcherReceived = (message) => {
        if (page && message) {
            page.watcher.received(message.data);
        }
    };

    const sourcesListed = (options) => {
        if (page && options) {
            page.sourcesListed(options);
        }
    };

    const zoomed = (relayout) => {
        if (!page || !relayout) {
            return;
        }
        if (relayout['xaxis.range[0]']) {
            page.fix([relayout['xaxis.range[0]'], relayout['xaxis.range[1]']].map(window.speeddash.chart.instant));
        } else if (relayout['xaxis.autorange'] || relayout['xaxis.range']) {
            page.follow();
        }
    };

    const triggered = () => window.dash_clientside.callback_context.triggered.map(({prop_id: prop, value}) => [prop.split('.')[0], value]);

    const pressed = () => {
        triggered().forEach(([id, clicks]) => page && clicks && page.controls.actions[id]());
    };

    const chosen = () => {
        for (const [id, value] of page ? triggered() : []) {
            if (page.screen.chosen(id, value)) {
                page.controls.choices[id](value);
            }
        }
    };

    return {
        start, senderChanged, senderReceived, watcherChanged, watcherReceived, sourcesListed, zoomed, pressed, chosen,
    };
})();
