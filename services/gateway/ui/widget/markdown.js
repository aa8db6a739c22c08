/** Markdown to DOM nodes. No string of HTML is ever parsed, so there is nothing to sanitise. */

import { lexer } from '../vendor/marked/marked.esm.js';

const SAFE = /^(?:https?:|mailto:|tel:)/i;
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
const KEPT_LIVE = 4;
/** Blocks at the end that are read again: one that has been followed by so many is finished. */

const plain = text => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ENTITIES[name]);

function element(tag, children = [], attributes = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const link = (href, children) =>
  element('a', children, { href, target: '_blank', rel: 'noopener noreferrer nofollow' });

/** Text in which [1] becomes a citation. */
function withCitations(text, cite) {
  return text.split(/(\[\d{1,2}\])/).flatMap(part => {
    const number = /^\[(\d+)\]$/.exec(part)?.[1];
    const made = number && cite ? cite(Number(number)) : part;
    return made ? [made] : [];
  });
}

function inline(tokens, cite) {
  return tokens.flatMap(token => {
    switch (token.type) {
      case 'text':
      case 'escape':
        return token.tokens ? inline(token.tokens, cite) : withCitations(plain(token.text), cite);
      case 'strong':
      case 'em':
      case 'del':
        return [element(token.type, inline(token.tokens, cite))];
      case 'codespan':
        return [element('code', [plain(token.text)])];
      case 'br':
        return [element('br')];
      case 'link':
        return SAFE.test(token.href)
          ? [link(token.href, inline(token.tokens, cite))]
          : inline(token.tokens, cite);
      case 'image':
        // A picture that is fetched by itself tells a stranger's server what stands in its address.
        return SAFE.test(token.href) ? [link(token.href, [token.text || token.href])] : [token.text];
      default:
        return [token.raw]; // HTML is shown, not run
    }
  });
}

function table(token, cite) {
  const row = (cells, tag) =>
    element('tr', cells.map((cell, i) =>
      element(tag, inline(cell.tokens, cite), { 'data-align': token.align[i] })));
  const parts = [
    element('thead', [row(token.header, 'th')]),
    element('tbody', token.rows.map(cells => row(cells, 'td'))),
  ];
  return element('div', [element('table', parts)], { class: 'table', tabindex: '0' });
}

function block(token, cite) {
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading':
      return element(`h${Math.min(6, token.depth + 2)}`, inline(token.tokens, cite));
    case 'paragraph':
      return element('p', inline(token.tokens, cite));
    case 'text':
      return element('span', token.tokens ? inline(token.tokens, cite) : withCitations(plain(token.text), cite));
    case 'code':
      return element('pre', [element('code', [token.text])], { tabindex: '0' });
    case 'blockquote':
      return element('blockquote', blocks(token.tokens, cite));
    case 'hr':
      return element('hr');
    case 'list':
      return element(
        token.ordered ? 'ol' : 'ul',
        token.items.map(item => element('li', blocks(item.tokens, cite))),
        { start: token.ordered && token.start !== 1 ? token.start : null },
      );
    case 'table':
      return table(token, cite);
    default:
      return element('p', [token.raw]);
  }
}

const blocks = (tokens, cite) => tokens.map(token => block(token, cite)).filter(Boolean);

/**
 * Returns a function that shows a text in `target`, to be called with more and more of it.
 * Finished blocks are left alone, so that what a reader has selected stays selected.
 */
export function markdown(target, { cite } = {}) {
  let shown = [];
  let finished = 0;
  let before = '';
  return text => {
    if (!text.startsWith(before.slice(0, finished))) {
      target.replaceChildren();
      shown = [];
      finished = 0;
    }
    before = text;
    const tokens = lexer(text.slice(finished), { gfm: true });
    let same = 0;
    while (same < shown.length && same < tokens.length && shown[same].raw === tokens[same].raw) same++;
    for (const gone of shown.splice(same)) gone.node?.remove();
    for (const token of tokens.slice(same)) {
      const node = block(token, cite);
      if (node) target.append(node);
      shown.push({ raw: token.raw, node });
    }
    while (shown.length > KEPT_LIVE) finished += shown.shift().raw.length;
  };
}
