/** Telling other programs what happens, and seeing what became of it. */

import { Icon, html, useSignal } from '../lib/kit.js';
import { api, call, explained, mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { ago, moment, t } from '../lib/words.js';
import { Check, Choice, Code, Dialog, Empty, Field, Form, Head, Status, Sure, Waiting, tell } from '../parts/basics.js';
import { Table } from '../parts/table.js';

const TYPES = [
  'source.created', 'source.updated', 'source.deleted', 'source.ingestion_started', 'source.ingested', 'source.unchanged', 'source.failed',
  'bot_profile.created', 'bot_profile.updated', 'chat.question', 'chat.message', 'chat.failed', 'chat.feedback', 'webhook.disabled', 'usage.threshold',
];
const USUAL = new Set(['source.ingested', 'source.failed', 'chat.message']);
const STATES = ['', 'pending', 'delivered', 'failed'];
const GRADES = { pending: 'pending', delivered: 'ready', failed: 'error' };

const state = hook => (hook.disabled_reason ? 'failing' : hook.is_active ? 'live' : 'off');
const Graded = ({ status }) => html`<span class=${`st ${GRADES[status]}`}>${t(status)}</span>`;

async function ping(id) {
  try {
    const { success, status_code } = await api.post(`/v1/webhooks/${id}/test`);
    tell(success ? t('It answered with {code}.', { code: status_code }) : t('It did not accept the test ({code}).', { code: status_code ?? t('no answer') }));
  } catch (error) {
    tell(explained(error));
  }
}

function Fields({ of = { url: '', description: '', events: [...USUAL] } }) {
  return html`<${Field} label=${t('Address')}><input class="f mono" name="url" type="url" maxlength="2048" placeholder="https://example.com/hook" defaultValue=${of.url} required/></>
    <${Field} label=${t('Description')}><input class="f" name="description" maxlength="500" defaultValue=${of.description}/></>
    <${Choice} legend=${t('What it is told')} of="events" inline>${TYPES.map(type => html`<label class="check"><input type="checkbox" name="event" value=${type} defaultChecked=${of.events.includes(type)}/> <span class="mono">${type}</span></label>`)}</>`;
}

const chosen = form => [...form.querySelectorAll('input[name=event]:checked')].map(box => box.value);

function List() {
  const hooks = useApi('/v1/webhooks', { every: 10_000 });
  const adding = params.value.get('add');
  const done = () => set({ add: '' });
  const secret = useSignal(null);
  if (!hooks.data) return html`<${Waiting} error=${hooks.error} reload=${hooks.reload}/>`;
  const add = async ({ url, description }, form) => {
    const made = await api.post('/v1/webhooks', { url, description, events: chosen(form) });
    secret.value = made.secret;
    done();
    hooks.reload();
  };
  const columns = [
    { key: 'url', label: t('Address'), cell: hook => html`<a href=${href(`/webhooks/${hook.id}`)}>${hook.url}</a>` },
    { key: 'state', label: t('State'), sort: state, text: hook => t(state(hook)), cell: hook => html`<${Status} is=${state(hook)}/>` },
    { key: 'events', label: t('What it is told'), cell: hook => html`<span class="mono soft">${hook.events.join(', ')}</span>` },
    { key: 'created_at', label: t('Added'), sort: hook => Date.parse(hook.created_at), cell: hook => html`<span class="soft">${ago(hook.created_at)}</span>` },
  ];
  return html`<${Head} title="Webhooks" lead=${t('Your own programs are told what happens, signed and until they have it.')}>${mayChange() && html`<button class="btn go" onClick=${() => set({ add: '1' })}><${Icon} name="plus"/>${t('Add a webhook')}</button>`}</>
    ${hooks.data.length === 0 ? html`<${Empty} title=${t('Nobody is told yet')}>${mayChange() && html`<p>${t('Add the address of a program that wants to know.')}</p>`}</>` : html`<${Table} rows=${hooks.data} columns=${columns} caption="Webhooks"/>`}
    ${adding && mayChange() && html`<${Dialog} title=${t('Add a webhook')} close=${done}><${Form} send=${add} action=${t('Add')}><${Fields}/></></>`}
    ${secret.value && html`<${Secret} text=${secret.value} close=${() => (secret.value = null)}/>`}`;
}

const Secret = ({ text, close }) => html`<${Dialog} title=${t('The signing secret')} close=${close}><p>${t('With it your program checks that a message comes from here. It is shown this once.')}</p><${Code} label=${t('The signing secret')} text=${text}/></>`;

function Delivery({ hook, id, changed }) {
  const one = useApi(`/v1/webhooks/${hook}/deliveries/${id}`, { every: 3000 });
  const close = () => set({ open: '' });
  if (!one.data) return html`<${Dialog} title=${t('Delivery')} close=${close} drawer><${Waiting} error=${one.error} reload=${one.reload}/></>`;
  const again = async () => {
    await api.post(`/v1/webhooks/${hook}/deliveries/${id}/redeliver`);
    tell(t('It is sent again.'));
    one.reload();
    changed();
  };
  const { data } = one;
  return html`<${Dialog} title=${data.event_type} close=${close} drawer><p><${Graded} status=${data.status}/></p>
    <dl class="kv"><dt>${t('Happened')}</dt><dd>${moment(data.occurred_at)}</dd>${data.next_attempt_at && html`<dt>${t('Next attempt')}</dt><dd>${moment(data.next_attempt_at)}</dd>`}<dt>Id</dt><dd class="mono">${data.message_id}</dd></dl>
    <h3>${t('Attempts')}</h3><ol class="facts">${data.attempts.map(attempt => html`<li><span class="soft">${moment(attempt.at)}</span><b>${attempt.status_code ?? attempt.error}</b><span class="soft">${Math.round(attempt.duration_ms)} ms</span>${attempt.response && html`<code>${attempt.response.slice(0, 200)}</code>`}</li>`)}</ol>
    <h3>${t('What is sent')}</h3><${Code} label=${t('What is sent')} text=${data.request.body}/>
    ${mayChange() && html`<div><${Sure} label=${t('Send again')} question=${t('The receiver gets it once more.')} act=${again} icon="refresh"/></div>`}</>`;
}

function Deliveries({ hook }) {
  const status = params.value.get('status') ?? '';
  const open = params.value.get('open');
  const found = useApi(`/v1/webhooks/${hook}/deliveries${status ? `?status=${encodeURIComponent(status)}` : ''}`, { every: 3000 });
  if (!found.data) return html`<${Waiting} error=${found.error} reload=${found.reload}/>`;
  const columns = [
    { key: 'event_type', label: t('Event'), cell: one => html`<span class="mono">${one.event_type}</span>` },
    { key: 'status', label: t('State'), text: one => t(one.status), cell: one => html`<${Graded} status=${one.status}/>` },
    { key: 'last_status_code', label: t('Answer'), num: true, cell: one => one.last_status_code ?? one.last_error ?? '–' },
    { key: 'attempt_count', label: t('Attempts'), num: true },
    { key: 'created_at', label: t('Begun'), sort: one => Date.parse(one.created_at), cell: one => html`<span class="soft">${ago(one.created_at)}</span>` },
  ];
  return html`<section class="sec"><header><h2>${t('Deliveries')}</h2></header>
    <div class="bar">${STATES.map(value => html`<button class=${`btn ${status === value ? 'on' : ''}`} aria-pressed=${status === value} onClick=${() => set({ status: value })}>${t(value || 'all')}</button>`)}</div>
    ${found.data.length === 0 ? html`<p class="soft">${t('None.')}</p>` : html`<${Table} rows=${found.data} columns=${columns} caption=${t('Deliveries')} open=${one => set({ open: one.id })}/>`}
    ${open && html`<${Delivery} key=${open} hook=${hook} id=${open} changed=${found.reload}/>`}</section>`;
}

function One({ id }) {
  const hook = useApi(`/v1/webhooks/${id}`);
  const secret = useSignal(null);
  const gone = useSignal(false);
  if (gone.value) return html`<${Empty} title=${t('Deleted')}><a class="btn" href=${href('/webhooks')}>Webhooks</a></>`;
  if (!hook.data) return html`<${Waiting} error=${hook.error} reload=${hook.reload}/>`;
  const { data } = hook;
  const save = async ({ url, description, is_active }, form) => {
    await api.patch(`/v1/webhooks/${id}`, { url, description, events: chosen(form), is_active: is_active === 'on' });
    tell(t('Saved.'));
    hook.reload();
  };
  const rotate = async () => (secret.value = (await api.post(`/v1/webhooks/${id}/rotate-secret`, {})).secret);
  const replay = async ({ from, to }) => {
    await call('POST', `/v1/webhooks/${id}/replay`, { from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    tell(t('It is sent again.'));
  };
  const remove = async () => {
    await api.delete(`/v1/webhooks/${id}`);
    gone.value = true;
  };
  return html`<${Head} title=${data.url} lead=${html`<${Status} is=${state(data)}/>`}>${mayChange() && html`<button class="btn" onClick=${() => ping(id)}>${t('Send a test')}</button>
      <${Sure} label=${t('New secret')} question=${t('The old one holds for another day.')} act=${rotate} icon="key"/><${Sure} label=${t('Delete')} question=${t('It is told nothing any more.')} act=${remove}/>`}</>
    ${data.disabled_reason && html`<div class="problem" role="alert"><p>${t('It was switched off because it failed for long. Save it as active to go on.')}</p></div>`}
    <${Deliveries} hook=${id}/>${mayChange() && html`<div class="cols even"><section class="sec"><header><h2>${t('Settings')}</h2></header><${Form} key=${data.updated_at} send=${save} action=${t('Save')}><${Fields} of=${data}/><${Check} name="is_active" label=${t('active')} defaultChecked=${data.is_active}/></></section>
    <section class="sec"><header><h2>${t('Send again what happened')}</h2></header><${Form} send=${replay} action=${t('Send again')}><${Field} label=${t('From')}><input class="f" type="datetime-local" name="from" required/></><${Field} label=${t('To')}><input class="f" type="datetime-local" name="to" required/></></></section></div>`}
    ${secret.value && html`<${Secret} text=${secret.value} close=${() => (secret.value = null)}/>`}`;
}

export default function Webhooks({ id }) {
  return id ? html`<${One} id=${id}/>` : html`<${List}/>`;
}
