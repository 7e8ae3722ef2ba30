// Elements that the page makes itself: a Dash component costs a pass over the whole page for each change, these cost what they are.
window.speeddash = window.speeddash || {};

window.speeddash.dom = (() => {
    // An element; what is a function listens (onclick), null and false are left out. Children are elements, texts, or null for none.
    const el = (tag, attributes = {}, ...children) => {
        const element = document.createElement(tag);
        for (const [name, value] of Object.entries(attributes)) {
            if (typeof value === 'function') {
                element.addEventListener(name.slice(2), value);
            } else if (value !== null && value !== undefined && value !== false) {
                element.setAttribute(name, value === true ? '' : value);
            }
        }
        element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
        return element;
    };

    const field = (label, control) => el('label', {class: 'field'}, el('span', {}, label), control);

    // A table with a caption; a row is a list of cells, or {row, ...attributes}, a cell a text, an element, or a td.
    const table = (caption, head, rows) => {
        const cell = (content) => (content instanceof HTMLTableCellElement ? content : el('td', {}, content));
        return el('table', {},
            el('caption', {class: 'unseen'}, caption),
            el('thead', {}, el('tr', {}, head.map((name) => el('th', {scope: 'col'}, name)))),
            el('tbody', {}, rows.map((each) => {
                const {row, ...attributes} = Array.isArray(each) ? {row: each} : each;
                return el('tr', attributes, row.map(cell));
            })),
        );
    };

    // Puts new children in the place of the old ones; what had the focus keeps it, if something of its data-key is there again.
    const fill = (parent, ...children) => {
        const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
        parent.replaceChildren(...children.flat().filter(Boolean));
        if (key !== undefined) {
            [...parent.querySelectorAll('[data-key]')].find((each) => each.dataset.key === key)?.focus();
        }
    };

    return {el, field, table, fill};
})();
