// Recordings as files: dropped on the page, or chosen; sent to the server one after the other. `speeddash/page/importing.py` draws the dialog
// from the store import-state: {files: [{name, size}], refused, results: [{name, answer} or {name, failure}]}.

import {address, failure} from './rest.mjs';

const BUSY = 'Files are being imported. Wait until that is done, or close to cancel.';
const GONE = 'the server cannot be reached. Try again when it is back: what was stored already is not stored twice.';
const STOPPED = 'cancelled. Readings that were stored until then stay.';

/** @type {(id: string) => any} */
const field = (id) => document.getElementById(id);

// Why what was dropped or chosen cannot be imported, or null. folder: whether one is among it.
const refusal = (files, folder) => {
    if (folder) {
        return 'That is a folder. Drop the files that are in it.';
    }
    if (!files.length) {
        return 'That is no file.';
    }
    return files.every(({size}) => !size) ? `${files[0].name} is empty.` : null; // of several the server names it
};

export class Upload {
    // stored: called when something may have been stored.
    constructor({maySend, stored}) {
        this.maySend = maySend;
        this.stored = stored;
        this.files = [];
        this.request = null;
        this.depth = 0; // how many elements below a dragged file it has entered and not left
    }

    listen() {
        const on = (name, act) => document.addEventListener(name, (event) => {
            if (this.maySend && event.dataTransfer?.types.includes('Files')) {
                event.preventDefault();
                act(event);
            }
        });
        on('dragenter', () => this.hover(this.depth + 1));
        on('dragleave', () => this.hover(this.depth - 1));
        on('dragover', ({dataTransfer}) => {
            dataTransfer.dropEffect = 'copy';
        });
        on('drop', ({dataTransfer}) => {
            this.hover(0);
            const entries = [...dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
            this.take([...dataTransfer.files], entries.some(({isDirectory}) => isDirectory));
        });
        field('import').addEventListener('cancel', (event) => this.request && event.preventDefault());
    }

    hover(depth) {
        this.depth = Math.max(0, depth);
        field('drop').hidden = !this.depth;
    }

    state(state) {
        window.dash_clientside.set_props('import-state', {data: {...state, files: this.files.map(({name, size}) => ({name, size}))}});
    }

    open() {
        if (this.maySend && !field('import').open) {
            this.files = [];
            this.state({});
            field('import').showModal();
        }
    }

    choose() {
        const input = Object.assign(document.createElement('input'), {type: 'file', multiple: true});
        input.addEventListener('change', () => this.take([...input.files], false));
        input.click();
    }

    // What a person dropped or chose.
    take(files, folder) {
        if (this.request) {
            this.say(BUSY);
            return;
        }
        const refused = refusal(files, folder);
        this.files = refused ? [] : files;
        this.state({refused});
        if (!field('import').open) {
            field('import').showModal();
        }
    }

    close() {
        if (this.request) {
            this.request.abort();
        } else {
            field('import').close();
        }
    }

    async start() {
        if (this.request || !this.files.length) {
            return;
        }
        const given = {source: field('import-name').value.trim(), format: field('import-format').value, unit: field('import-unit').value};
        field('import-start').disabled = true;
        const results = [];
        for (const [n, file] of this.files.entries()) {
            const of = this.files.length > 1 ? ` ${n + 1} of ${this.files.length}` : '';
            const query = Object.entries({...given, name: file.name}).filter(([, value]) => value);
            const result = await this.send(file, query, of);
            results.push({name: file.name, ...result});
            if (result.stopped) {
                break;
            }
        }
        this.state({results});
        this.stored();
    }

    // Sends one file. Resolves to {answer} of the server, or {failure} in words.
    send(file, query, of) {
        return new Promise((resolve) => {
            const request = new XMLHttpRequest(); // fetch does not report how much is sent
            this.request = request;
            const end = (result) => {
                this.request = null;
                resolve(result);
            };
            request.open('POST', address('import', query));
            request.setRequestHeader('Content-Type', 'application/octet-stream');
            request.upload.onprogress = ({loaded, total}) => this.progress(loaded / total, of);
            request.upload.onload = () => this.progress(1, of);
            request.responseType = 'json'; // null for the HTML of a proxy in front, whose status says enough
            request.onload = () => end(request.status === 200 ? {answer: request.response} : {failure: failure(request.status, request.response)});
            request.onerror = () => end({failure: GONE});
            request.onabort = () => end({failure: STOPPED, stopped: true});
            this.progress(0, of);
            request.send(file);
        });
    }

    progress(share, of) {
        const bar = field('import-progress');
        bar.hidden = false;
        if (share < 1) {
            bar.value = share;
            this.say(`Sending${of}, ${Math.floor(100 * share)} %`);
        } else {
            bar.removeAttribute('value');
            this.say(`The server stores it${of}`);
        }
    }

    say(words) {
        field('import-word').textContent = words;
    }
}
