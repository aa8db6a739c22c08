/** The pages of a website, a cell for each, and what became of them. */

import { html, useRef, useSignal } from '../lib/kit.js';
import { params, set } from '../lib/router.js';
import { number, t, told } from '../lib/words.js';
import { useWidth } from './chart.js';
import { Table } from './table.js';

/** In the order in which they are counted; each with the word for it. */
const OUTCOMES = ['imported', 'unchanged', 'pending', 'duplicate', 'redirected', 'skipped', 'failed', 'unreachable', 'retired'];
/** Of a cell with its gap, in px. */
const CELL = 14;
const WIDEST = 60;
const VIA = { root: 'the start', sitemap: 'the sitemap', link: 'a link', redirect: 'another address', canonical: 'another page' };

const pathOf = url => {
  try {
    const { pathname, search } = new URL(url);
    return pathname + search;
  } catch {
    return url;
  }
};

/** What follows from `wish`, made anew only when something of it has changed: pointing at a cell draws all of this again. */
function useMade(make, ...wish) {
  const kept = useRef({});
  if (!kept.current.wish?.every((one, i) => one === wish[i])) kept.current = { wish, made: make(...wish) };
  return kept.current.made;
}

function drawn(pages, columns) {
  const paths = {};
  pages.forEach((page, i) => {
    paths[page.outcome] ??= [];
    paths[page.outcome].push(`M${(i % columns) * CELL + 1} ${Math.floor(i / columns) * CELL + 1}h${CELL - 3}v${CELL - 3}h-${CELL - 3}z`);
  });
  return OUTCOMES.filter(name => paths[name]).map(name => [name, paths[name].join('')]);
}

function counted(pages) {
  const counts = {};
  for (const page of pages) counts[page.outcome] = (counts[page.outcome] ?? 0) + 1;
  return counts;
}

const listed = (pages, outcome) => pages.map((page, i) => ({ ...page, id: page.url + i })).filter(page => !outcome || page.outcome === outcome);

/** One drawing for all pages: a thousand elements would be laid out again with every answer. */
function Cells({ pages, pick, chosen }) {
  const ref = useRef();
  const columns = Math.max(1, Math.min(WIDEST, Math.floor(useWidth(ref) / CELL)));
  const rows = Math.ceil(pages.length / columns);
  const paths = useMade(drawn, pages, columns);
  const at = event => {
    const box = event.currentTarget.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / CELL);
    const page = column < columns && pages[Math.floor((event.clientY - box.top) / CELL) * columns + column];
    if (page) pick(page);
  };
  const i = chosen ? pages.indexOf(chosen) : -1;
  return html`<div ref=${ref}><svg class="cells" width=${columns * CELL} height=${rows * CELL} aria-hidden="true" onPointerMove=${at} onClick=${at}>
    ${paths.map(([name, d]) => html`<path class=${name} d=${d}/>`)}
    ${i >= 0 && html`<rect class="here" x=${(i % columns) * CELL} y=${Math.floor(i / columns) * CELL} width=${CELL - 1} height=${CELL - 1}/>`}</svg></div>`;
}

/** `pages`: {url, outcome, reason, depth, via, source_id?}. The outcome that is looked at stands in the address. */
export function PageGrid({ pages }) {
  const near = useSignal(null);
  const outcome = params.value.get('outcome') ?? '';
  const filter = params.value.get('q') ?? '';
  const counts = useMade(counted, pages);
  const rows = useMade(listed, pages, outcome);
  const columns = [
    { key: 'url', label: t('Page'), cell: page => (/^https?:/i.test(page.url) ? html`<a href=${page.url} target="_blank" rel="noopener noreferrer">${pathOf(page.url)}</a>` : page.url) },
    { key: 'outcome', label: t('Outcome'), text: page => t(page.outcome), cell: page => html`<span class=${`out ${page.outcome}`}>${t(page.outcome)}</span>` },
    { key: 'reason', label: t('Reason'), text: page => told(page.reason) ?? '', cell: page => page.reason && html`<span class="soft">${told(page.reason)}</span>` },
    { key: 'via', label: t('Found through'), text: page => t(VIA[page.via] ?? page.via), cell: page => html`<span class="soft">${t(VIA[page.via] ?? page.via)}</span>` },
    { key: 'depth', label: t('Links away'), num: true },
  ];
  const hovered = near.value && pages.find(page => page.url === near.value);
  return html`<div class="pagegrid"><${Cells} pages=${pages} chosen=${hovered} pick=${page => (near.value = page.url)}/>
    <p class="soft near" aria-hidden="true">${hovered ? html`<span class=${`out ${hovered.outcome}`}>${t(hovered.outcome)}</span> <span class="mono">${pathOf(hovered.url)}</span> ${told(hovered.reason) ?? ''}` : t('Point at a cell to see its page.')}</p>
    <div class="bar" role="group" aria-label=${t('Outcome')}><button class=${`btn ${outcome ? '' : 'on'}`} aria-pressed=${!outcome} onClick=${() => set({ outcome: '' })}>${t('all')} ${number(pages.length)}</button>
      ${OUTCOMES.filter(name => counts[name]).map(name => html`<button class=${`btn ${outcome === name ? 'on' : ''}`} aria-pressed=${outcome === name} onClick=${() => set({ outcome: name })}><span class=${`out ${name}`}>${t(name)}</span> ${number(counts[name])}</button>`)}
      <input class="f" type="search" value=${filter} placeholder=${t('Filter…')} aria-label=${t('Filter pages')} onInput=${event => set({ q: event.target.value })}/></div>
    <${Table} rows=${rows} columns=${columns} caption=${t('Pages of the website')} filter=${filter}/></div>`;
}
