/** A table that can be sorted and filtered, and stays quick with many rows: a page at a time. */

import { Icon, html, useEffect, useSignal } from '../lib/kit.js';
import { counted, t } from '../lib/words.js';

const PAGE = 50;

const compare = (a, b) =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a ?? '').localeCompare(String(b ?? ''), undefined, { numeric: true });

/** Columns: {key, label, cell?, text?, sort?, num?}; one without a label holds what can be done. A row
 * opens by its first cell. */
export function Table({ rows, columns, caption, open, filter = '' }) {
  const order = useSignal(null);
  const at = useSignal(0);
  useEffect(() => {
    at.value = 0;
  }, [filter, rows.length]);
  const wanted = filter.toLowerCase();
  const hits = wanted
    ? rows.filter(row => columns.some(({ key, text }) => String(text ? text(row) : row[key] ?? '').toLowerCase().includes(wanted)))
    : rows;
  let sorted = hits;
  if (order.value) {
    const { key, direction } = order.value;
    const of = columns.find(column => column.key === key).sort ?? (row => row[key]);
    sorted = [...hits].sort((a, b) => compare(of(a), of(b)) * direction);
  }
  const pages = Math.max(1, Math.ceil(sorted.length / PAGE));
  const turn = key => (order.value = { key, direction: order.value?.key === key ? -order.value.direction : 1 });
  const shown = sorted.slice(at.value * PAGE, (at.value + 1) * PAGE);
  const cell = (column, row) => (column.cell ? column.cell(row) : row[column.key]);
  return html`<div class="scroll"><table class="grid"><caption class="sr">${caption}</caption>
    <thead><tr>${columns.map(({ key, label, num }) => {
      if (!label) return html`<th scope="col"><span class="sr">${t('Actions')}</span></th>`;
      const mine = order.value?.key === key;
      return html`<th scope="col" class=${num && 'num'} aria-sort=${mine ? (order.value.direction > 0 ? 'ascending' : 'descending') : undefined}>
        <button type="button" onClick=${() => turn(key)}>${label}${mine && (order.value.direction > 0 ? ' ↑' : ' ↓')}</button></th>`;
    })}</tr></thead>
    <tbody>${shown.map(row => html`<tr key=${row.id}>${columns.map((column, i) => html`<td class=${`${column.num ? 'num ' : ''}${i ? '' : 'name'}`}>
      ${i || !open ? cell(column, row) : html`<button type="button" onClick=${() => open(row)}>${cell(column, row)}</button>`}</td>`)}</tr>`)}</tbody></table></div>
    <div class="bar foot"><span class="soft" role="status">${counted(hits.length, '1 row', '{n} rows')}</span>
    ${pages > 1 && html`<span class="gap"/><button class="btn icon" aria-label=${t('Previous page')} disabled=${!at.value} onClick=${() => at.value--}><${Icon} name="previous"/></button>
      <span class="soft">${at.value + 1} / ${pages}</span><button class="btn icon" aria-label=${t('Next page')} disabled=${at.value >= pages - 1} onClick=${() => at.value++}><${Icon} name="next"/></button>`}</div>`;
}
