// The server's copy of the watched source: another name for it, or none of it any more. Owns the element #manage.
window.speeddash = window.speeddash || {};

window.speeddash.Manage = (() => {
    const shownName = (source) => source || '(unnamed)';

    return class {
        // renamed, deleted: called with the source, and the new name, after the server did it.
        constructor({renamed, deleted}) {
            Object.assign(this, {renamed, deleted});
            this.source = null;
        }

        // The source it is about; null hides it.
        about(source) {
            const box = document.getElementById('manage');
            box.hidden = source === null;
            if (source === this.source) {
                return;
            }
            this.source = source;
            box.open = false;
            if (source !== null) {
                this.build(box);
            }
        }

        build(box) {
            const {dom: {el, field}} = window.speeddash;
            const {source} = this;
            this.word = el('p', {class: 'problem', role: 'status'});
            this.name = el('input', {value: source, maxlength: 64, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off'});
            this.again = el('input', {maxlength: 64, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off'});
            this.buttons = [
                el('button', {}, 'Rename'),
                el('button', {class: 'danger', disabled: true}, 'Delete all of it'),
            ];
            this.again.addEventListener('input', () => {
                this.buttons[1].disabled = this.again.value.trim() !== shownName(source);
            });
            const form = (submitted, ...children) => el('form', {
                onsubmit: (event) => {
                    event.preventDefault();
                    submitted();
                },
            }, ...children);
            box.querySelector('.inside')?.remove();
            box.append(el('div', {class: 'inside'},
                form(() => this.rename(), field('New name', this.name), this.buttons[0]),
                form(() => this.delete(), field(`To delete, type ${shownName(source)}`, this.again), this.buttons[1]),
                el('p', {class: 'quiet'}, 'Both are for everyone, and for all that is stored of it. A device that goes on sending under the old name begins anew.'),
                this.word,
            ));
        }

        async rename() {
            const {rest: {path, change}, view: {SOURCE}} = window.speeddash;
            const name = this.name.value.trim();
            if (!SOURCE.test(name)) {
                this.say('A name is 1 to 64 of A-Z a-z 0-9 . _ : -');
            } else if (name === this.source) {
                this.say('That is its name already.');
            } else {
                await this.busy('Renaming', (source) => change('PATCH', path(source), {source: name}), (source) => this.renamed(source, name));
            }
        }

        async delete() {
            const {path, change} = window.speeddash.rest;
            if (this.again.value.trim() === shownName(this.source)) {
                await this.busy('Deleting', (source) => change('DELETE', path(source)), (source) => this.deleted(source));
            }
        }

        async busy(doing, work, done) {
            const {source} = this;
            this.say(doing);
            this.buttons.forEach((button) => button.setAttribute('aria-disabled', 'true'));
            try {
                await work(source);
                this.say('');
                done(source);
            } catch (failure) {
                this.say(`Not done: ${failure.message}`);
            }
            this.buttons.forEach((button) => button.removeAttribute('aria-disabled'));
        }

        say(words) {
            this.word.textContent = words;
        }
    };
})();
