// Shows what the page knows. Nothing is decided here; each property is set only when it differs from what stands there.
window.speeddash = window.speeddash || {};

window.speeddash.Screen = (() => {
    const DIAL_STEPS = 10;

    const same = (a, b) => a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));

    // A Dash component as JSON.
    const element = (type, props) => ({namespace: 'dash_html_components', type, props});

    const cells = (type, row) => element('Tr', {children: row.map((cell) => element(type, {children: cell}))});

    const table = (head, rows) => element('Table', {children: [
        element('Thead', {children: [cells('Th', head)]}),
        element('Tbody', {children: rows.map((row) => cells('Td', row))}),
    ]});

    const describe = ({average, maximum, km, movingMs, exact}, unit) => {
        const {units: Units} = window.speeddash;
        const about = exact ? '' : '≈ ';
        return {
            average: about + Units.text(average, unit),
            maximum: about + Units.text(maximum, unit),
            distance: about + Units.distance(km, unit),
            moving: about + Units.duration(movingMs),
        };
    };

    return class {
        constructor() {
            this.standing = new Map();
            this.shown = null; // what the chart shows, for the exports
            this.announcedAt = 0;
        }

        set(id, props) {
            const before = this.standing.get(id) ?? {};
            const news = Object.fromEntries(Object.entries(props).filter(([name, value]) => !same(before[name], value)));
            if (Object.keys(news).length) {
                this.standing.set(id, {...before, ...news});
                window.dash_clientside.set_props(id, news);
            }
        }

        // A person gave a control a value. Returns whether it is news: what the page set itself is not.
        chosen(id, value) {
            const news = !same(this.standing.get(id)?.value ?? null, value ?? null);
            this.standing.set(id, {...this.standing.get(id), value});
            return news;
        }

        // A text that changes all the time goes straight into its element: through Dash each costs a pass over the whole page
        // (measured: 0.2 ms; some ten a second). Nothing else ever changes these elements.
        text(id, text, className = null) {
            const before = this.standing.get(id) ?? {};
            if (before.text !== text || before.className !== className) {
                this.standing.set(id, {text, className});
                const element = document.getElementById(id);
                element.textContent = text;
                if (className !== null) {
                    element.className = className;
                }
            }
        }

        // Presses the button of a value, and no other of its group.
        choice(id, value) {
            for (const button of document.getElementById(id).children) {
                button.setAttribute('aria-pressed', String(button.dataset.value === value));
            }
        }

        // The sources to choose from: those the server knows (null before it has told), and those that a link names.
        picker(chosen, listed) {
            const known = listed ?? [];
            const unheard = chosen.filter((source) => !known.some(({value}) => value === source));
            const word = listed ? ' (nothing yet)' : '';
            const options = [...unheard.map((source) => ({value: source, label: source + word})), ...known];
            this.set('watched', {options: options.map(({value, label}) => ({value, label})), value: chosen});
        }

        // The controls as the view has them.
        controls(view, unit, limit) {
            const {local} = window.speeddash.chart;
            const fixed = window.speeddash.view.isFixed(view);
            this.choice('source', view.mode);
            this.choice('window', fixed ? null : view.window);
            this.choice('unit', view.unit);
            this.choice('theme', view.theme);
            this.set('limit', {value: limit === null ? null : Number((limit / unit.kmh).toFixed(2))});
            for (const end of ['from', 'to']) {
                // dcc.Input (Dash 4.4) restores the caret after quick changes, which throws for fields that have no caret.
                document.getElementById(end).setSelectionRange = () => {};
                this.set(end, {value: fixed ? local(view[end]).slice(0, 19) : ''});
            }
            this.set('sending', {hidden: view.mode === 'watch'});
            this.set('watching', {hidden: view.mode !== 'watch'});
            this.set('stored-row', {hidden: view.mode === 'watch'});
            this.set('sources-poll', {disabled: view.mode !== 'watch'});
            this.set('mirror', {'aria-pressed': String(view.mirror)});
            this.set('page', {
                className: ['page', view.kiosk && 'kiosk', view.drive && 'drive', view.mirror && 'mirror'].filter(Boolean).join(' '),
            });
            document.documentElement.dataset.theme = view.theme;
        }

        state({text, kind}, waiting, notice, now) {
            this.text('status', text, `status ${kind}`);
            this.text('waiting', waiting);
            this.set('notice', {children: notice, hidden: !notice});
            this.announce([text.replace(/ in \d+ s$/, ''), notice].filter(Boolean).join('. '), now);
        }

        // fresh: readings that came while the view stood still.
        still(still, fresh) {
            this.set('pause', {children: still ? 'Go on' : 'Pause', 'aria-pressed': String(still)});
            this.set('go-live', {hidden: !still, children: fresh ? `Back to live, +${fresh} new` : 'Back to live'});
        }

        // For ears, at most every ten seconds, and only news.
        announce(words, now) {
            if (now - this.announcedAt >= 10_000 && this.standing.get('announce')?.text !== words) {
                this.announcedAt = now;
                this.text('announce', words);
            }
        }

        // The speed now, in digits and as a needle. stale: nothing came for too long.
        now(first, unit, end, limit, stale) {
            const {units: Units} = window.speeddash;
            const over = first && limit !== null && first.speed > limit;
            const digits = first ? Units.value(first.speed, unit).toFixed(0) : '–';
            const look = [stale && 'stale', over && 'over', digits.length > 3 && 'long'].filter(Boolean).join(' ');
            this.text('speed-now', digits, look);
            this.text('unit-now', unit.symbol);
            const share = (kmh) => Number(Math.min(1, Units.value(kmh, unit) / end).toFixed(4));
            const dial = document.getElementById('dial');
            dial.style.setProperty('--speed', first ? share(first.speed) : 0);
            dial.style.setProperty('--limit', limit === null ? 1 : share(limit));
            dial.classList.toggle('stale', stale);
            this.scale(end);
        }

        // The numbers around the dial.
        scale(end) {
            if (this.end !== end) {
                this.end = end;
                document.getElementById('dial-scale').replaceChildren(...Array.from({length: DIAL_STEPS + 1}, (_, n) => {
                    const number = document.createElement('span');
                    number.textContent = Number(((end * n) / DIAL_STEPS).toFixed(1));
                    number.style.setProperty('--place', n / DIAL_STEPS);
                    return number;
                }));
            }
        }

        // The figures of the first source, and a table of all where there are several.
        figures(rows, unit) {
            const [first] = rows;
            const figures = first?.summary ? describe(first.summary, unit) : {};
            for (const id of ['average', 'maximum', 'distance', 'moving']) {
                this.text(id, figures[id] ?? '–');
            }
            this.text('last-time', first?.last ?? '–');
            const of = (kmh) => (kmh === undefined || kmh === null ? '–' : window.speeddash.units.value(kmh, unit).toFixed(0));
            this.set('others', {children: rows.length < 2 ? [] : [table(
                ['Source', `Now, ${unit.symbol}`, 'Average', 'Max.', 'Distance'],
                rows.map(({source, colour, speed, summary}) => {
                    const swatch = element('Span', {className: 'swatch', style: {'--colour': colour}});
                    const distance = summary ? describe(summary, unit).distance : '–';
                    return [[swatch, source], of(speed), of(summary?.average), of(summary?.maximum), distance];
                }),
            )]});
        }

        chart(shown) {
            this.shown = shown;
            window.dash_clientside.set_props('live-graph', {figure: window.speeddash.chart.figure(shown)});
            const [from, to] = shown.range;
            const inside = ({firstAt, lastAt}) => lastAt >= from && firstAt <= to;
            const readings = shown.series.flatMap(({points}) => points.buckets.filter(inside)).reduce((sum, {n}) => sum + n, 0);
            const {width} = shown.series.reduce((widest, {points}) => (points.width > widest.width ? points : widest), {width: 0});
            const folded = width ? `, a point for every ${width < 1000 ? `${Number(width.toFixed(1))} ms` : window.speeddash.units.duration(width)}` : '';
            this.text('shown', `${readings.toLocaleString('en')} readings shown${folded}`);
            return readings;
        }

        // Where all readings of one source in a range are to be had as files; null hides it.
        downloads(source, [from, to], unit) {
            document.getElementById('readings').hidden = source === null;
            const {iso, address} = window.speeddash.rest;
            for (const kind of source === null ? [] : ['csv', 'ndjson', 'gpx']) {
                const given = {source, from: iso(from), to: iso(to), ...(kind === 'csv' && {unit})};
                document.getElementById(`readings-${kind}`).setAttribute('href', address(`export.${kind}`, given));
            }
        }

        message(text, latest) {
            this.set('message', {hidden: !text});
            this.text('message-text', text ?? '');
            this.set('show-latest', {hidden: !latest});
        }

        table(rows, unit) {
            this.set('table', {children: [table(['Source', 'Time', `Mean ${unit.symbol}`, 'Lowest', 'Highest', 'Readings'], rows)]});
        }
    };
})();
