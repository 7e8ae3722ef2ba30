// The tiles of the fleet place: a dial for each source, filled with what streams. `speeddash/page/fleet.py` tells which there are.
//
//   A tile's data is {source, name, last_ms, speed (km/h or null), limit_kmh, today}.

import * as Units from '../state/units.mjs';

const LIVE_MS = 10_000;

const element = (tag, className, ...children) => {
    const made = document.createElement(tag);
    made.className = className;
    made.append(...children);
    return made;
};

export class Fleet {
    constructor(page) {
        this.page = page;
        this.shown = false;
        this.tiles = new Map(); // source: {data, parts}
    }

    get sources() {
        return this.shown ? [...this.tiles.keys()] : [];
    }

    go(shown, search) {
        if (!shown && this.shown) {
            this.tiles.clear();
        }
        this.shown = shown;
        document.getElementById('page').classList.toggle('wall', shown && new URLSearchParams(search).get('kiosk') === '1');
    }

    listed(tiles) {
        const list = document.getElementById('fleet-tiles');
        if (!this.shown || !list) {
            return;
        }
        const before = this.sources.join();
        const held = this.tiles;
        this.tiles = new Map(tiles.map((data) => {
            const old = held.get(data.source);
            const newer = old && old.data.last_ms > data.last_ms ? {last_ms: old.data.last_ms, speed: old.data.speed} : {};
            return [data.source, {data: {...data, ...newer}, parts: old?.parts ?? this.make(data)}];
        }));
        const items = [...this.tiles.values()].map(({parts}) => parts.item);
        if (items.length !== list.children.length || items.some((item, n) => list.children[n] !== item)) {
            list.replaceChildren(...items);
        }
        if (this.sources.join() !== before) {
            this.page.watcher.watch(this.sources);
        }
        this.tick(Date.now());
    }

    make({source}) {
        const parts = {
            name: element('a', 'tile-name'),
            digits: element('span', 'tile-digits'),
            unit: element('span', 'unit'),
            state: element('span', 'tile-state'),
            today: element('span', 'tile-today'),
        };
        parts.name.href = `/?mode=watch&source=${encodeURIComponent(source)}`;
        const face = element('div', 'dial-face');
        const needle = element('div', 'needle');
        [face, needle].forEach((each) => each.setAttribute('aria-hidden', 'true'));
        parts.dial = element('div', 'dial', face, needle, element('div', 'digits', parts.digits, parts.unit));
        parts.item = element('li', 'tile card', parts.name, parts.dial, element('p', 'tile-foot', parts.state, parts.today));
        return parts;
    }

    arrived(readings) {
        for (const {source, timestamp, speed} of readings) {
            const tile = this.tiles.get(source);
            const at = Date.parse(timestamp);
            if (tile && at >= tile.data.last_ms) {
                Object.assign(tile.data, {last_ms: at, speed});
                this.show(tile, Date.now());
            }
        }
    }

    tick(now) {
        if (this.shown) {
            this.tiles.forEach((tile) => this.show(tile, now));
            const clock = document.getElementById('fleet-clock');
            if (clock) {
                clock.textContent = new Date(now).toLocaleTimeString('en-GB', {hour: '2-digit', minute: '2-digit'});
            }
        }
    }

    show(tile, now) {
        const {data, parts} = tile;
        const {unit} = this.page;
        const live = now - data.last_ms < LIVE_MS && this.page.link.phase === 'live' && !this.page.frozen;
        const over = live && data.limit_kmh !== null && data.speed > data.limit_kmh;
        const end = this.page.painter.end(data.source, Math.max(data.speed ?? 0, data.limit_kmh ?? 0));
        const share = (kmh) => Number(Math.min(1, Units.value(kmh, unit) / end).toFixed(4));
        parts.dial.style.setProperty('--speed', live ? share(data.speed) : 0);
        parts.dial.style.setProperty('--limit', data.limit_kmh === null ? 1 : share(data.limit_kmh));
        parts.dial.classList.toggle('stale', !live);
        parts.dial.classList.toggle('over', over);
        const texts = {
            name: data.name, digits: data.speed === null ? '–' : Units.value(data.speed, unit).toFixed(0), unit: unit.symbol,
            state: live ? (over ? `above ${Units.text(data.limit_kmh, unit, 0)}` : 'live') : `silent for ${Units.age(now - data.last_ms)}`,
            today: `${data.today} today`,
        };
        for (const [part, text] of Object.entries(texts)) {
            if (parts[part].textContent !== text) {
                parts[part].textContent = text;
            }
        }
        parts.item.classList.toggle('over', over);
    }
}
