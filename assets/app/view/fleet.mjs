// The tiles of the fleet place: a dial for each source, filled with what streams. `speeddash/page/fleet.py` tells which there are.
//
//   A tile's data is {source, name, last_ms, speed (km/h or null), limit_kmh, today}.

import {turn} from './dial.mjs';
import {AHEAD_MS} from '../state/track.mjs';
import * as Units from '../state/units.mjs';

const LIVE_MS = 10_000;

export class Fleet {
    constructor(page) {
        this.page = page;
        this.shown = false;
        this.tiles = new Map(); // source: {data, parts, cameAt (epoch ms, 0 for never)}
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
            return [data.source, {data: {...data, ...newer}, parts: old?.parts ?? this.make(data), cameAt: old?.cameAt ?? 0}];
        }));
        const items = [...this.tiles.values()].map(({parts}) => parts.item);
        if (items.length !== list.children.length || items.some((item, n) => list.children[n] !== item)) {
            const focused = /** @type {HTMLElement} */ (document.activeElement);
            list.replaceChildren(...items);
            focused.focus(); // where it was in one of them
        }
        if (this.sources.join() !== before) {
            this.page.watcher.watch(this.sources);
        }
        this.tick(Date.now());
    }

    make({source}) {
        const item = /** @type {HTMLElement} */ (document.getElementById('fleet-tile').firstElementChild.cloneNode(true));
        item.classList.add('tile');
        const names = {name: '.tile-name', digits: '.tile-digits', unit: '.unit', state: '.tile-state', today: '.tile-today', dial: '.dial'};
        const parts = Object.fromEntries(Object.entries(names).map(([part, name]) => [part, item.querySelector(name)]));
        parts.name.href = `/?mode=watch&source=${encodeURIComponent(source)}`;
        return {item, ...parts};
    }

    arrived(readings) {
        for (const {source, timestamp, speed} of readings) {
            const tile = this.tiles.get(source);
            const [at, now] = [Date.parse(timestamp), Date.now()];
            if (tile && (at >= tile.data.last_ms || tile.data.last_ms > now + AHEAD_MS)) {
                tile.cameAt = now;
                Object.assign(tile.data, {last_ms: at, speed});
                this.show(tile, now);
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
        const seen = Math.max(tile.cameAt, Math.min(data.last_ms, now));
        const live = (now - tile.cameAt < LIVE_MS || Math.abs(now - data.last_ms) < LIVE_MS) && this.page.link.phase === 'live' && !this.page.frozen;
        const over = live && data.limit_kmh !== null && data.speed > data.limit_kmh;
        const end = this.page.painter.end(data.source, Math.max(data.speed ?? 0, data.limit_kmh ?? 0));
        turn(parts.dial, {speed: live ? data.speed : null, limit: data.limit_kmh, end, unit, stale: !live, over});
        const texts = {
            name: data.name, digits: data.speed === null ? '–' : Units.value(data.speed, unit).toFixed(0), unit: unit.symbol,
            state: live ? (over ? `above ${Units.text(data.limit_kmh, unit, 0)}` : 'live') : `silent for ${Units.age(now - seen)}`,
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
