/** Everything that happens, as it happens. */

import { html, useEffect, useRef, useSignal } from '../lib/kit.js';
import { explained, useLoaded } from '../lib/api.js';
import { follow, past } from '../lib/feed.js';
import { params, set } from '../lib/router.js';
import { clock, t } from '../lib/words.js';
import { Empty, Head, Waiting } from '../parts/basics.js';
import { EventDrawer } from '../parts/event.js';
import { Table } from '../parts/table.js';

const KEPT = 500;
const DAY_MS = 86_400_000;

export default function Events() {
  const seen = useSignal([]);
  const live = useSignal(false);
  const error = useSignal(null);
  const held = useSignal(null);
  const type = params.value.get('type') ?? '';
  const about = params.value.get('about') ?? '';
  const open = params.value.get('open');
  const before = useLoaded('a day', () => past({ from: new Date(Date.now() - DAY_MS).toISOString() }, KEPT));
  const known = useRef(new Set()).current;
  const add = events => {
    const fresh = events.filter(event => !known.has(event.id));
    for (const event of fresh) known.add(event.id);
    if (fresh.length) seen.value = [...seen.value, ...fresh].slice(-KEPT);
  };
  useEffect(() => {
    const stop = new AbortController();
    follow(stop.signal, event => add([event]), on => (live.value = on)).catch(wrong => (error.value = wrong));
    return () => stop.abort();
  }, []);
  useEffect(() => {
    if (!before.data) return;
    const since = seen.value;
    seen.value = [];
    known.clear();
    add([...before.data, ...since]);
  }, [before.data]);
  const at = held.value ?? seen.value;
  const types = [...new Set(at.map(event => event.type))].sort();
  const shown = at.filter(event => (!type || event.type === type) && (!about || event.aggregate_id === about)).reverse();
  const one = open && seen.value.find(event => event.id === open);
  const columns = [
    { key: 'type', label: t('Event'), cell: event => html`<span class="mono">${event.type}</span>` },
    { key: 'occurred_at', label: t('Happened'), cell: event => html`<span class="soft mono">${clock(event.occurred_at)}</span>` },
    { key: 'aggregate', label: t('About'), cell: event => html`<button type="button" class="link mono" onClick=${() => set({ about: event.aggregate_id })}>${event.aggregate} ${event.aggregate_id.slice(0, 8)}</button>` },
  ];
  return html`<${Head} title=${t('Events')} lead=${html`<span class=${`st ${live.value && !held.value ? 'live' : 'pending'}`}>${held.value ? t('held') : live.value ? t('live') : t('connecting…')}</span>`}>
      <button class="btn" aria-pressed=${Boolean(held.value)} onClick=${() => (held.value = held.value ? null : seen.value)}>${held.value ? t('Follow again') : t('Hold')}</button></>
    ${error.value && html`<p class="bad" role="alert">${explained(error.value)}</p>`}
    ${before.error && !error.value && html`<${Waiting} error=${before.error} reload=${before.reload}/>`}
    <div class="bar"><select class="f" aria-label=${t('Type')} onChange=${event => set({ type: event.target.value })}><option value="">${t('all')}</option>${types.map(name => html`<option value=${name} selected=${name === type}>${name}</option>`)}</select>
      ${about && html`<button class="btn on" onClick=${() => set({ about: '' })}>${t('only')} <span class="mono">${about.slice(0, 8)}</span> ✕</button>`}</div>
    ${shown.length === 0 ? html`<${Empty} title=${t('Nothing yet')}><p>${t('Ask a bot something, or add a source.')}</p></>`
      : html`<${Table} rows=${shown} columns=${columns} caption=${t('Events')} open=${event => set({ open: event.id })}/>`}
    ${one && html`<${EventDrawer} key=${one.aggregate_id} event=${one} others=${seen.value}/>`}`;
}
