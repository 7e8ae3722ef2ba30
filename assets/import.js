// A recorded drive as a file: dropped on the page, or chosen; sent to the server; shown. Owns the elements #import and #drop.
window.speeddash = window.speeddash || {};

window.speeddash.Import = (() => {
    const FORMATS = {csv: 'csv', txt: 'csv', tsv: 'csv', gpx: 'gpx', nmea: 'nmea', nma: 'nmea', log: 'nmea', ndjson: 'ndjson', jsonl: 'ndjson'};
    const MOST_BAD = 20;
    const BUSY = 'A file is being imported. Wait until it is done, or cancel it.';

    const ending = (name) => (/\.([^.]+)$/.exec(name)?.[1] ?? '').toLowerCase();

    // A source's name from a file's: without its ending, of the characters a name may have.
    const suggested = (name) =>
        name.replace(/\.[^.]+$/, '').normalize('NFKD').replace(/\p{M}/gu, '').replace(/[^\w.:-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 64) || 'import';

    // Why what was dropped or chosen cannot be imported, or null. folder: whether one is among it.
    const refusal = (files, folder) => {
        if (folder) {
            return 'That is a folder. Drop the file that is in it.';
        }
        if (files.length !== 1) {
            return files.length ? `Those are ${files.length} files. Drop one at a time.` : 'That is no file.';
        }
        return files[0].size ? null : `${files[0].name} is empty.`;
    };

    // What became of a file, in words.
    const outcome = ({stored, bad_count: bad, sources, more_sources: more, failure}) => {
        const number = (n, one) => `${n.toLocaleString('en')} ${one}${n === 1 ? '' : 's'}`;
        return [
            `${number(stored, 'reading')} stored${sources.length ? ` as ${sources.join(', ')}${more ? ' and more' : ''}` : ''}.`,
            bad && `${number(bad, 'line')} could not be read.`,
            failure && `The rest was not read: ${failure}`,
        ].filter(Boolean).join(' ');
    };

    const Import = class {
        // units: as figures.looks() makes them; done: takes {sources, from, to (epoch ms)} of what is stored now.
        constructor({units, done}) {
            Object.assign(this, {units, done});
            this.request = null;
            this.depth = 0; // how many elements below a dragged file it has entered and not left
        }

        listen() {
            const carriesFiles = ({dataTransfer}) => dataTransfer?.types.includes('Files');
            const on = (name, act) => document.addEventListener(name, (event) => {
                if (carriesFiles(event)) {
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
            document.getElementById('import').addEventListener('cancel', (event) => this.request && event.preventDefault());
        }

        hover(depth) {
            this.depth = Math.max(0, depth);
            document.getElementById('drop').hidden = !this.depth;
        }

        // What a person dropped or chose.
        take(files, folder) {
            if (this.request) {
                this.aside.textContent = BUSY;
                return;
            }
            const why = refusal(files, folder);
            if (why) {
                this.open();
                this.say(why);
            } else {
                this.open(files[0]);
            }
        }

        // The dialog: with a file to send, or to choose one.
        open(file = null) {
            const {dom: {el, field, fill}} = window.speeddash;
            const dialog = document.getElementById('import');
            this.file = file;
            this.word = el('p', {role: 'status'});
            this.aside = el('p', {class: 'problem', role: 'status'});
            this.list = el('div', {});
            const chosen = el('input', {type: 'file', onchange: () => this.take([...chosen.files], false)});
            this.name = el('input', {value: file ? suggested(file.name) : '', maxlength: 64, required: true, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off'});
            this.unit = el('select', {},
                el('option', {value: ''}, 'as the file says'),
                Object.entries(this.units).map(([unit, {symbol}]) => el('option', {value: unit}, symbol)));
            this.format = el('select', {},
                el('option', {value: ''}, 'as the file looks'),
                ['csv', 'gpx', 'nmea', 'ndjson'].map((format) => el('option', {value: format}, format.toUpperCase())));
            this.format.value = file ? FORMATS[ending(file.name)] ?? '' : '';
            this.bar = el('progress', {'aria-label': 'How much is sent', max: 1, value: 0, hidden: true});
            this.send = el('button', {type: 'submit', class: 'main', disabled: !file}, 'Import');
            this.close = el('button', {type: 'button', onclick: () => (this.request ? this.request.abort() : dialog.close())}, 'Close');
            fill(dialog, el('form', {
                onsubmit: (event) => {
                    event.preventDefault();
                    this.start();
                },
            },
            el('h2', {}, file ? `Import ${file.name}` : 'Import a recorded drive'),
            !file && el('p', {class: 'quiet'}, 'CSV, GPX, NMEA or NDJSON, dropped anywhere on the page, or chosen here.'),
            field(file ? 'Another file' : 'File', chosen),
            file && el('div', {class: 'rows'}, field('Stored as', this.name), field('Format', this.format), field('Speeds are in', this.unit)),
            this.bar, this.word, this.aside, this.list, el('div', {class: 'toolbar'}, this.send, this.close)));
            if (!dialog.open) {
                dialog.showModal();
            }
        }

        start() {
            const {view: {SOURCE}, rest} = window.speeddash;
            const source = this.name.value.trim();
            if (this.request || !this.file) {
                return;
            }
            if (!SOURCE.test(source)) {
                this.say('A name is 1 to 64 of A-Z a-z 0-9 . _ : -');
                return;
            }
            const given = {source, name: this.file.name, format: this.format.value, unit: this.unit.value};
            const request = new XMLHttpRequest(); // fetch does not tell how much is sent
            this.request = request;
            request.open('POST', rest.address('import', Object.entries(given).filter(([, value]) => value)));
            request.setRequestHeader('Content-Type', 'application/octet-stream');
            request.upload.onprogress = ({loaded, total}) => this.progress(loaded / total);
            request.upload.onload = () => this.progress(1);
            request.onload = () => this.answered(request);
            request.onerror = () => this.ended('The server cannot be reached. Try again when it is back: what was stored already is not stored twice.');
            request.onabort = () => this.ended('Cancelled. Readings that were stored until then stay.');
            this.send.disabled = true;
            this.close.textContent = 'Cancel';
            this.list.replaceChildren();
            this.progress(0);
            request.send(this.file);
        }

        progress(share) {
            this.bar.hidden = false;
            if (share < 1) {
                this.bar.value = share;
                this.say(`Sending, ${Math.floor(100 * share)} %`);
            } else {
                this.bar.removeAttribute('value');
                this.say('The server stores it');
            }
        }

        ended(words) {
            this.request = null;
            this.bar.hidden = true;
            this.aside.textContent = '';
            this.send.disabled = false;
            this.close.textContent = 'Close';
            this.say(words);
        }

        answered({status, responseText}) {
            let body = {};
            try {
                body = JSON.parse(responseText);
            } catch {
                // A proxy in front may answer in HTML; its status says enough.
            }
            if (status !== 200) {
                this.ended(`Not imported: ${body.detail ?? `the server answered ${status}`}`);
                return;
            }
            this.ended(outcome(body));
            this.send.disabled = true;
            this.listBad(body);
            if (body.first) {
                this.done({sources: body.sources, from: Date.parse(body.first), to: Date.parse(body.last)});
            }
        }

        listBad({bad, bad_count: count}) {
            const {dom: {el, table}} = window.speeddash;
            if (bad.length) {
                this.list.replaceChildren(el('div', {class: 'scroll', role: 'region', tabindex: 0, 'aria-label': 'Lines that could not be read'},
                    table('Lines that could not be read', ['Line', 'Why'], bad.slice(0, MOST_BAD).map(({line, why}) => [String(line), why]))));
                if (count > MOST_BAD) {
                    this.list.append(el('p', {class: 'quiet'}, `The first ${MOST_BAD} of ${count.toLocaleString('en')}.`));
                }
            }
        }

        say(words) {
            this.word.textContent = words;
        }
    };
    return Object.assign(Import, {suggested, refusal, outcome});
})();
