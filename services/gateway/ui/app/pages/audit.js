/** Who did what, when, and from where. */

import { html, useSignal } from '../lib/kit.js';
import { useAgain } from '../lib/again.js';
import { call, explained, useApi, useLoaded } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { moment, t } from '../lib/words.js';
import { Dialog, Empty, Field, Head, Waiting } from '../parts/basics.js';
import { Download } from '../parts/download.js';
import { Table } from '../parts/table.js';

const PAGE = 200;
/** Where a target can be looked at. */
const PLACES = { bot_profile: id => href(`/bots/${id}`), source: id => href('/sources', { open: id }), webhook_endpoint: id => href(`/webhooks/${id}`), chat: id => href(`/chats/${id}`) };

const instant = text => text && new Date(text).toISOString();

/** The question to the API that the address of the page stands for. */
function query() {
  const asked = params.value;
  const wish = { user_id: asked.get('user'), action: asked.get('action'), target: asked.get('target'), from: instant(asked.get('from')), to: instant(asked.get('to')) };
  return new URLSearchParams(Object.entries(wish).filter(([, value]) => value)).toString();
}

/** One page of the log: its rows, and where the next one is. */
async function pageOf(path) {
  const response = await call('GET', path);
  const [, next] = /<([^>]+)>;\s*rel="?next"?/.exec(response.headers.get('link') ?? '') ?? [];
  const url = next && new URL(next, location.origin);
  return { rows: await response.json(), next: url && url.pathname + url.search };
}

/** Pages of the log: what is there, whether there is more, and how to get it. */
function useLog(asked) {
  const path = `/v1/audit-log?limit=${PAGE}${asked && `&${asked}`}`;
  const first = useLoaded(path, async () => ({ path, ...(await pageOf(path)) }));
  const further = useSignal({});
  const { rows, next, error } = further.value.after === first.data ? further.value : (first.data ?? {});
  const more = async () => {
    try {
      const page = await pageOf(next);
      further.value = { after: first.data, rows: [...rows, ...page.rows], next: page.next };
    } catch (failed) {
      further.value = { after: first.data, rows, next, error: failed };
    }
  };
  useAgain(error, more);
  return { rows: first.data?.path === path ? rows : undefined, error: error ?? first.error, more: next && more, reload: first.reload };
}

function Target({ of }) {
  const [kind, id] = of.split('/');
  const place = PLACES[kind];
  const text = html`${kind} <span class="mono">${id?.slice(0, 8)}</span>`;
  return place ? html`<a href=${place(id)}>${text}</a>` : text;
}

export default function Audit() {
  const asked = query();
  const log = useLog(asked);
  const users = useApi('/v1/users');
  const tokens = useApi('/v1/api-tokens');
  const filter = params.value.get('q') ?? '';
  const open = params.value.get('open');
  if (!log.rows || !users.data || !tokens.data) return html`<${Head} title=${t('Audit log')}/><${Waiting} error=${log.error ?? users.error ?? tokens.error} reload=${log.reload}/>`;
  const names = new Map(users.data.map(user => [user.id, user.display_name || user.email]));
  const tokenNames = new Map(tokens.data.map(token => [`token/${token.id}`, token.name]));
  const by = ({ actor }) => actor.startsWith('token/') && (tokenNames.has(actor) ? t('by token “{name}”', { name: tokenNames.get(actor) }) : t('by token'));
  const who = row => (row.user_id ? (names.get(row.user_id) ?? row.user_id.slice(0, 8)) : row.actor);
  const columns = [
    { key: 'action', label: t('What'), cell: row => html`<span class="mono">${row.action}</span>` },
    { key: 'who', label: t('Who'), text: who, sort: who, cell: row => html`${who(row)}${by(row) && html` <span class="soft">${by(row)}</span>`}` },
    { key: 'target', label: t('On what'), cell: row => html`<${Target} of=${row.target}/>` },
    { key: 'address', label: t('From where'), cell: row => html`<span class="soft mono">${row.address ?? '–'}</span>` },
    { key: 'at', label: t('When'), sort: row => Date.parse(row.at), cell: row => html`<span class="soft">${moment(row.at)}</span>` },
  ];
  const actions = [...new Set([...log.rows.map(row => row.action), params.value.get('action')].filter(Boolean))].sort();
  const time = name => html`<${Field} label=${name === 'from' ? t('From') : t('To')}><input class="f" type="datetime-local" value=${params.value.get(name) ?? ''} onChange=${event => set({ [name]: event.target.value })}/></>`;
  const one = open && log.rows.find(row => row.id === open);
  return html`<${Head} title=${t('Audit log')} lead=${t('What people and their tokens did, newest first.')}><${Download} path=${`/v1/audit-log?format=csv${asked && `&${asked}`}`} name="audit_log.csv" label="CSV"/></>
    <div class="bar wishes"><${Field} label=${t('Who')}><select class="f" onChange=${event => set({ user: event.target.value })}><option value="">${t('all')}</option>${users.data.map(user => html`<option value=${user.id} selected=${user.id === params.value.get('user')}>${user.display_name || user.email}</option>`)}</select></>
      <${Field} label=${t('What')}><select class="f" onChange=${event => set({ action: event.target.value })}><option value="">${t('all')}</option>${actions.map(name => html`<option value=${name} selected=${name === params.value.get('action')}>${name}</option>`)}</select></>
      ${time('from')}${time('to')}<${Field} label=${t('Filter')}><input class="f" type="search" value=${filter} onInput=${event => set({ q: event.target.value })}/></>
      ${asked && html`<button class="btn" onClick=${() => set({ user: '', action: '', target: '', from: '', to: '' })}>${t('Show all')}</button>`}</div>
    ${log.error && html`<p class="bad" role="alert">${explained(log.error)}</p>`}
    ${log.rows.length === 0 ? html`<${Empty} title=${t('Nothing fits')}><p>${t('Choose another time or another person.')}</p></>` : html`<${Table} rows=${log.rows} columns=${columns} caption=${t('Audit log')} filter=${filter} open=${row => set({ open: row.id })}/>`}
    ${log.more && html`<button class="btn" onClick=${log.more}>${t('Show older ones')}</button>`}
    ${one && html`<${Dialog} title=${one.action} close=${() => set({ open: '' })} drawer><dl class="kv"><dt>${t('When')}</dt><dd>${moment(one.at)}</dd><dt>${t('Who')}</dt><dd>${who(one)} ${by(one)}<br/><span class="mono soft">${one.actor}</span></dd>
      <dt>${t('On what')}</dt><dd class="mono">${one.target}</dd><dt>${t('From where')}</dt><dd class="mono">${one.address ?? t('not known')}</dd><dt>${t('With')}</dt><dd>${one.user_agent ?? t('not known')}</dd><dt>${t('Event')}</dt><dd class="mono">${one.id}</dd></dl>
      <div class="bar"><button class="btn" type="button" onClick=${() => set({ target: one.target, open: '' })}>${t('All on this')}</button>${one.user_id && html`<button class="btn" type="button" onClick=${() => set({ user: one.user_id, open: '' })}>${t('All by this person')}</button>`}</div></>`}`;
}
