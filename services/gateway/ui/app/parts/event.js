/** One event: what it changed, what else it belongs to, and the thing as it was at any moment. */

import { html, useSignal } from '../lib/kit.js';
import { useLoaded } from '../lib/api.js';
import { past, folded } from '../lib/feed.js';
import { href, set } from '../lib/router.js';
import { clock, moment, number, t } from '../lib/words.js';
import { Code, Dialog, Waiting } from './basics.js';

const KEPT = 500;
const PLACES = { bot_profile: id => href(`/bots/${id}`), source: id => href('/sources', { open: id }), crawl: id => href(`/sources/${id}`), chat: id => href(`/chats/${id}`), webhook_endpoint: id => href(`/webhooks/${id}`) };

const shown = value => (value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value));

/** Fields before and after; what is new has no before. */
const Changes = ({ of }) => (of.length === 0 ? html`<p class="soft">${t('No field; it tells that something happened.')}</p>`
  : html`<dl class="changes">${of.map(({ name, before, after }) => html`<div><dt class="mono">${name}</dt><dd>${before !== undefined && html`<del>${shown(before)}</del> `}<ins>${shown(after)}</ins></dd></div>`)}</dl>`);

/** The thing that an event is about, from its first event to its last; read-only. */
function Travel({ events, begun }) {
  const place = useSignal(begun);
  const at = Math.min(place.value, events.length - 1);
  const { state, changes } = folded(events, at + 1);
  const fresh = new Set(changes.map(one => one.name));
  const event = events[at];
  const move = to => (place.value = to);
  return html`<div class="travel"><label class="field"><span>${t('Moment {n} of {all}', { n: number(at + 1), all: number(events.length) })} <span class="mono soft">${event.type} · ${clock(event.occurred_at)}</span></span>
      <input type="range" min="0" max=${events.length - 1} value=${at} aria-valuetext=${`${event.type}, ${moment(event.occurred_at)}`} onInput=${input => move(Number(input.target.value))}/></label>
    <div class="bar"><button class="btn" type="button" disabled=${at === 0} onClick=${() => move(at - 1)}>${t('Before')}</button><button class="btn" type="button" disabled=${at === events.length - 1} onClick=${() => move(at + 1)}>${t('After')}</button></div>
    <h3>${t('What it changed')}</h3><${Changes} of=${changes}/>
    <h3>${t('As it was then')}</h3><dl class="changes">${Object.entries(state).map(([name, value]) => html`<div><dt class="mono">${name}</dt><dd>${fresh.has(name) ? html`<mark>${shown(value)}</mark>` : shown(value)}</dd></div>`)}</dl></div>`;
}

/** What was set off by the same order, in its order. */
function Together({ event, others }) {
  const same = event.correlation_id ? others.filter(one => one.correlation_id === event.correlation_id) : [];
  if (same.length < 2) return null;
  return html`<h3>${t('What caused it, and what came of that')}</h3><ol class="facts">${same.map(one => html`<li aria-current=${one.id === event.id ? 'true' : undefined}><time class="soft mono" datetime=${one.occurred_at}>${clock(one.occurred_at)}</time><button type="button" class="link mono" onClick=${() => set({ open: one.id })}>${one.type}</button>${one.id === event.id && html`<mark>${t('this one')}</mark>`}<span class="soft">${one.aggregate}</span></li>`)}</ol>`;
}

/** `others` are the events that are known besides. */
export function EventDrawer({ event, others }) {
  const { aggregate, aggregate_id: id } = event;
  const { data: events, error, reload } = useLoaded(id, () => past({ aggregate, aggregate_id: id }, KEPT));
  const at = events?.findIndex(one => one.id === event.id) ?? -1;
  const place = PLACES[aggregate];
  return html`<${Dialog} title=${event.type} close=${() => set({ open: '' })} drawer>
    <dl class="kv"><dt>${t('Happened')}</dt><dd>${moment(event.occurred_at)} <span class="mono soft">${clock(event.occurred_at)}</span></dd><dt>${t('About')}</dt><dd>${place ? html`<a href=${place(id)}>${aggregate}</a>` : aggregate} <span class="mono soft">${id}</span></dd><dt>Id</dt><dd class="mono">${event.id}</dd></dl>
    ${events ? (at >= 0 ? html`<${Travel} key=${event.id} events=${events} begun=${at}/>` : null) : html`<${Waiting} error=${error} reload=${reload}/>`}
    <${Together} event=${event} others=${others}/>
    <details><summary>${t('Data')}</summary><${Code} label=${t('Data')} text=${JSON.stringify(event.data, null, 2)}/></details></>`;
}
