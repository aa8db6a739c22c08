/** Everything that happens, as it happens. */

import { html, useEffect, useSignal } from '../lib/kit.js';
import { api, authorization, explained } from '../lib/api.js';
import { params, set } from '../lib/router.js';
import { clock, t } from '../lib/words.js';
import { Code, Dialog, Empty, Head } from '../parts/basics.js';
import { frames, refusal } from '../../widget/sse.js';

const KEPT = 500;
const DAY_MS = 86_400_000;

/** Follow the feed until `signal` is aborted; reconnects behind the last event it has seen. */
async function follow(signal, got, live) {
  let last;
  let wait = 500;
  while (!signal.aborted) {
    try {
      const headers = { accept: 'text/event-stream', authorization: await authorization(), ...(last && { 'last-event-id': last }) };
      const response = await fetch('/v1/events', { signal, headers });
      if (!response.ok) throw await refusal(response);
      live(true);
      wait = 500;
      for await (const { event, data, id } of frames(response)) {
        last = id ?? last;
        if (!['heartbeat', 'ready', 'closed'].includes(event)) got(data);
      }
    } catch (error) {
      if (error.status === 403) throw error;
    }
    live(false);
    await new Promise(resolve => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, 10_000);
  }
}

/** The last day's events, in pages, oldest first. */
async function lately() {
  const from = new Date(Date.now() - DAY_MS).toISOString();
  let found = [];
  let cursor = '';
  for (let pages = 0; pages < 10; pages++) {
    const page = await api.get(`/v1/events?limit=200&from=${from}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    found = [...found, ...page].slice(-KEPT);
    if (page.length < 200) break;
    cursor = page.at(-1).cursor;
  }
  return found;
}

export default function Events() {
  const seen = useSignal([]);
  const live = useSignal(false);
  const error = useSignal(null);
  const type = params.value.get('type') ?? '';
  const about = params.value.get('about') ?? '';
  const open = params.value.get('open');
  useEffect(() => {
    const stop = new AbortController();
    const known = new Set();
    const add = events => {
      const fresh = events.filter(event => !known.has(event.id));
      for (const event of fresh) known.add(event.id);
      if (fresh.length) seen.value = [...seen.value, ...fresh].slice(-KEPT);
    };
    follow(stop.signal, event => add([event]), on => (live.value = on)).catch(wrong => (error.value = wrong));
    lately().then(before => {
      const since = seen.value;
      seen.value = [];
      known.clear();
      add([...before, ...since]);
    }, wrong => (error.value = wrong));
    return () => stop.abort();
  }, []);
  const types = [...new Set(seen.value.map(event => event.type))].sort();
  const shown = seen.value.filter(event => (!type || event.type === type) && (!about || event.aggregate_id === about)).reverse();
  const one = open && seen.value.find(event => event.id === open);
  return html`<${Head} title=${t('Events')} lead=${html`<span class=${`st ${live.value ? 'live' : 'pending'}`}>${live.value ? t('live') : t('connecting…')}</span>`}/>
    ${error.value && html`<p class="bad" role="alert">${explained(error.value)}</p>`}
    <div class="bar"><select class="f" aria-label=${t('Type')} onChange=${event => set({ type: event.target.value })}><option value="">${t('all')}</option>${types.map(name => html`<option value=${name} selected=${name === type}>${name}</option>`)}</select>
      ${about && html`<button class="btn on" onClick=${() => set({ about: '' })}>${t('only')} <span class="mono">${about.slice(0, 8)}</span> ✕</button>`}</div>
    ${shown.length === 0 ? html`<${Empty} title=${t('Nothing yet')}><p>${t('Ask a bot something, or add a source.')}</p></>`
      : html`<div class="scroll"><table class="grid"><caption class="sr">${t('Events')}</caption><thead><tr><th scope="col">${t('Event')}</th><th scope="col">${t('Happened')}</th><th scope="col">${t('About')}</th></tr></thead>
        <tbody>${shown.slice(0, 200).map(event => html`<tr key=${event.id}><td class="name"><button type="button" class="mono" onClick=${() => set({ open: event.id })}>${event.type}</button></td><td class="soft mono">${clock(event.occurred_at)}</td><td><button type="button" class="link mono" onClick=${() => set({ about: event.aggregate_id })}>${event.aggregate} ${event.aggregate_id.slice(0, 8)}</button></td></tr>`)}</tbody></table></div>`}
    ${one && html`<${Dialog} title=${one.type} close=${() => set({ open: '' })} drawer><dl class="kv"><dt>${t('Happened')}</dt><dd>${one.occurred_at}</dd><dt>${t('About')}</dt><dd class="mono">${one.aggregate} ${one.aggregate_id}</dd><dt>Id</dt><dd class="mono">${one.id}</dd></dl><${Code} label=${t('Data')} text=${JSON.stringify(one.data, null, 2)}/></>`}`;
}
