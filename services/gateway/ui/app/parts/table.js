/** A table that can be sorted and filtered. With many rows it draws those that can be seen. */

import { html, useEffect, useLayoutEffect, useRef, useSignal } from '../lib/kit.js';
import { MANY, compare, passed, seen } from '../lib/lists.js';
import { params, set } from '../lib/router.js';
import { counted, t } from '../lib/words.js';

/** How pages call what narrows a table, in their addresses. */
const NARROWING = ['q', 'status', 'outcome'];

/** Of a row among many, in px; the style sheet has the same. */
const ROW = 38;

const found = (rows, columns, filter) => {
  const wanted = filter.toLowerCase();
  return wanted
    ? rows.filter(row => columns.some(({ key, text }) => String(text ? text(row) : row[key] ?? '').toLowerCase().includes(wanted)))
    : rows;
};

function sorted(rows, columns, order) {
  if (!order) return rows;
  const of = columns.find(column => column.key === order.key).sort ?? (row => row[order.key]);
  return rows.map(row => [of(row), row]).sort(([a], [b]) => compare(a, b) * order.direction).map(([, row]) => row);
}

function Nothing() {
  if (!NARROWING.some(name => params.value.get(name))) return html`<p class="soft">${t('None.')}</p>`;
  const clear = () => set(Object.fromEntries(NARROWING.map(name => [name, ''])));
  return html`<div class="empty"><h2>${t('Nothing fits')}</h2><button class="btn" type="button" onClick=${clear}>${t('Show all')}</button></div>`;
}

const Gap = ({ height, columns }) => height > 0 && html`<tr class="gap" aria-hidden="true"><td colspan=${columns} style=${{ height: `${height}px` }}/></tr>`;

// The roles are what the elements are anyway; on a phone, where each row is a block, they would lose them.
/** Columns: {key, label, cell?, text?, sort?, num?}; one without a label holds what can be done. A row
 * opens by its first cell. */
export function Table({ rows, columns, caption, open, filter = '' }) {
  const order = useSignal(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const box = useRef();
  const kept = useRef({});
  // Sorting many rows again with every frame of scrolling would be felt.
  const wish = [rows, filter, order.value];
  if (!kept.current.wish?.every((one, i) => one === wish[i])) {
    kept.current = { wish, rows: sorted(found(rows, columns, filter), columns, order.value) };
  }
  const all = kept.current.rows;
  const many = all.length > MANY;
  useEffect(() => {
    if (box.current) box.current.scrollTop = 0;
    top.value = 0;
  }, [filter, order.value]);
  useLayoutEffect(() => {
    if (many) height.value = box.current.clientHeight;
  }, [many]);
  if (all.length === 0) return html`<${Nothing}/>`;
  const [first, last] = many ? seen(all.length, ROW, top.value, height.value) : [0, all.length];
  const turn = key => (order.value = { key, direction: order.value?.key === key ? -order.value.direction : 1 });
  const cell = (column, row) => (column.cell ? column.cell(row) : row[column.key]);
  return html`<div class=${many ? 'scroll many' : 'scroll'} ref=${box} tabindex=${many ? 0 : undefined} role=${many ? 'group' : undefined} aria-label=${many ? caption : undefined} onScroll=${many ? event => (top.value = passed(event.currentTarget.scrollTop, ROW)) : undefined}>
    <table class="grid" role="table" aria-rowcount=${many ? all.length + 1 : undefined}><caption class="sr">${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map(({ key, label, num }) => {
      if (!label) return html`<th scope="col" role="columnheader"><span class="sr">${t('Actions')}</span></th>`;
      const mine = order.value?.key === key;
      return html`<th scope="col" role="columnheader" class=${num && 'num'} aria-sort=${mine ? (order.value.direction > 0 ? 'ascending' : 'descending') : undefined}>
        <button type="button" onClick=${() => turn(key)}>${label}${mine && (order.value.direction > 0 ? ' ↑' : ' ↓')}</button></th>`;
    })}</tr></thead>
    <tbody role="rowgroup"><${Gap} height=${first * ROW} columns=${columns.length}/>${all.slice(first, last).map((row, n) => html`<tr key=${row.id} role="row" aria-rowindex=${many ? first + n + 2 : undefined}>${columns.map((column, i) => html`<td role="cell" data-label=${column.label} class=${`${column.num ? 'num ' : ''}${i ? '' : 'name'}`}>
      ${i || !open ? cell(column, row) : html`<button type="button" onClick=${() => open(row)}>${cell(column, row)}</button>`}</td>`)}</tr>`)}<${Gap} height=${(all.length - last) * ROW} columns=${columns.length}/></tbody></table></div>
    <div class="bar foot"><span class="soft" role="status">${counted(all.length, '1 row', '{n} rows')}</span></div>`;
}
