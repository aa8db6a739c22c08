/** Public keys for websites, and secret tokens for programs. */

import { Icon, html, useSignal } from '../lib/kit.js';
import { api, mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { ago, moment, t } from '../lib/words.js';
import { Choice, Code, Dialog, Empty, Field, Form, Head, Status, Sure, Waiting, tell } from '../parts/basics.js';
import { Table } from '../parts/table.js';

/** What a token may, and what that means. */
const SCOPES = { chat: 'asks bots', read: 'reads everything but secrets', write: 'changes bots and sources', admin: 'manages people, keys, webhooks and budgets', events: 'follows events' };
const state = one => (one.is_active ? (one.expires_at && Date.parse(one.expires_at) < Date.now() ? 'expired' : 'live') : 'revoked');

const NEW = { allowed_origins: [], quotas: {} };

const origins = text => text.split(/[\s,]+/).filter(Boolean);

function Keys() {
  const keys = useApi('/v1/widget/keys');
  const bots = useApi('/v1/bot-profiles');
  const asked = params.value.get('key');
  const close = () => set({ key: '' });
  if (!keys.data || !bots.data) return html`<${Waiting} error=${keys.error ?? bots.error} reload=${keys.reload}/>`;
  const names = new Map(bots.data.map(bot => [bot.id, bot.name]));
  const save = async ({ name, bot, allowed, hour, day }) => {
    const quotas = { ...key.quotas, questions_per_visitor_hour: hour ? Number(hour) : null, questions_per_day: day ? Number(day) : null };
    const body = { name, allowed_origins: origins(allowed), quotas };
    if (key.id) await api.patch(`/v1/widget/keys/${key.id}`, body);
    else await api.post('/v1/widget/keys', { ...body, bot_profile_id: bot });
    close();
    keys.reload();
  };
  const columns = [
    { key: 'name', label: t('Name') },
    { key: 'state', label: t('State'), sort: state, text: key => t(state(key)), cell: key => html`<${Status} is=${state(key)}/>` },
    { key: 'bot', label: t('Bot'), text: key => names.get(key.bot_profile_id), sort: key => names.get(key.bot_profile_id), cell: key => names.get(key.bot_profile_id) },
    { key: 'public_key', label: t('Key'), cell: key => html`<code>${key.public_key.slice(0, 16)}…</code>` },
    { key: 'allowed_origins', label: t('Sites'), cell: key => key.allowed_origins.join(', ') || html`<span class="soft">${t('no site yet')}</span>` },
    { key: 'act', label: '', cell: key => mayChange() && key.is_active && html`<${Sure} label=${t('Revoke')} question=${t('It stops at once.')} act=${() => api.delete(`/v1/widget/keys/${key.id}`).then(keys.reload)}/>` },
  ];
  const key = !mayChange() ? undefined : asked === 'new' ? NEW : keys.data.find(one => one.id === asked && one.is_active);
  return html`<section class="sec"><header><h2>${t('Public keys for websites')}</h2>${mayChange() && html`<span class="r"><button class="btn" disabled=${bots.data.length === 0} onClick=${() => set({ key: 'new' })}><${Icon} name="plus"/>${t('New key')}</button></span>`}</header>
    ${keys.data.length === 0 ? html`<p class="soft">${t('None yet. A bot gets its key with its embed code.')}${mayChange() && bots.data.length === 0 && html` <a class="link" href=${href('/start')}>${t('Set up a bot')}</a>`}</p>` : html`<${Table} rows=${keys.data} columns=${columns} caption=${t('Public keys')} open=${mayChange() ? one => one.is_active && set({ key: one.id }) : undefined}/>`}</section>
    ${key && html`<${Dialog} title=${key.id ? key.name : t('New key')} close=${close}><${Form} send=${save} action=${t('Save')}>
      <${Field} label=${t('Name')}><input class="f" name="name" maxlength="255" defaultValue=${key.name ?? ''} required/></>
      ${!key.id && html`<${Field} label=${t('Bot')} of="bot_profile_id"><select class="f" name="bot">${bots.data.map(bot => html`<option value=${bot.id}>${bot.name}</option>`)}</select></>`}
      <${Field} label=${t('Sites')} of="allowed_origins" hint=${t('One in each line, such as https://example.com or https://*.example.com')}><textarea class="f mono" name="allowed" rows="3" defaultValue=${key.allowed_origins.join('\n')}></textarea></>
      <div class="pair"><${Field} label=${t('Questions of a visitor per hour')} of="quotas.questions_per_visitor_hour"><input class="f" type="number" min="1" name="hour" defaultValue=${key.quotas.questions_per_visitor_hour ?? ''}/></>
      <${Field} label=${t('Questions per day')} of="quotas.questions_per_day"><input class="f" type="number" min="1" name="day" defaultValue=${key.quotas.questions_per_day ?? ''}/></></div></></>`}`;
}

function Tokens() {
  const tokens = useApi('/v1/api-tokens');
  const bots = useApi('/v1/bot-profiles');
  const making = mayChange() && params.value.get('add') === 'token';
  const done = () => set({ add: '' });
  const made = useSignal(null);
  if (!tokens.data || !bots.data) return html`<${Waiting} error=${tokens.error ?? bots.error} reload=${tokens.reload}/>`;
  const names = new Map(bots.data.map(bot => [bot.id, bot.name]));
  const make = async (fields, form) => {
    const scopes = [...form.querySelectorAll('input[name=scope]:checked')].map(box => box.value);
    const ends = fields.days && new Date(Date.now() + Number(fields.days) * 86_400_000).toISOString();
    const body = { name: fields.name, ...(scopes.length < Object.keys(SCOPES).length && { scopes }), ...(fields.bot && { bot_profile_id: fields.bot }), ...(ends && { expires_at: ends }) };
    made.value = (await api.post('/v1/api-tokens', body)).raw_token;
    done();
    tokens.reload();
  };
  const columns = [
    { key: 'name', label: t('Name') },
    { key: 'state', label: t('State'), sort: state, text: one => t(state(one)), cell: one => html`<${Status} is=${state(one)}/>` },
    { key: 'token_prefix', label: t('Token'), cell: one => html`<code>${one.token_prefix}…</code>` },
    { key: 'scopes', label: t('May'), cell: one => html`${one.scopes?.join(', ') ?? t('all that its maker may')}${one.bot_profile_id && html` · <span class="soft">${names.get(one.bot_profile_id) || t('(unnamed)')}</span>`}` },
    { key: 'last_used_at', label: t('Last used'), cell: one => html`<span class="soft">${one.last_used_at ? ago(one.last_used_at) : t('never')}</span>` },
    { key: 'expires_at', label: t('Ends'), cell: one => html`<span class="soft">${one.expires_at ? moment(one.expires_at) : t('never')}</span>` },
    { key: 'act', label: '', cell: one => mayChange() && one.is_active && html`<${Sure} label=${t('Revoke')} question=${t('It stops at once.')} act=${() => api.delete(`/v1/api-tokens/${one.id}`).then(tokens.reload)}/>` },
  ];
  return html`<section class="sec"><header><h2>${t('Secret tokens for programs')}</h2>${mayChange() && html`<span class="r"><button class="btn" onClick=${() => set({ add: 'token' })}><${Icon} name="plus"/>${t('New token')}</button></span>`}</header>
    ${tokens.data.length === 0 ? html`<${Empty} title=${t('No tokens')}/>` : html`<${Table} rows=${tokens.data} columns=${columns} caption=${t('Secret tokens')}/>`}</section>
    ${making && html`<${Dialog} title=${t('New token')} close=${done}><${Form} send=${make} action=${t('Make it')}>
      <${Field} label=${t('Name')} hint=${t('Where it will be used.')}><input class="f" name="name" maxlength="255" required/></>
      <${Field} label=${t('Ends after')} of="expires_at"><select class="f" name="days"><option value="">${t('never')}</option><option value="30">${t('{n} days', { n: 30 })}</option><option value="90">${t('{n} days', { n: 90 })}</option><option value="365">${t('{n} days', { n: 365 })}</option></select></>
      <${Field} label=${t('Bot')} of="bot_profile_id" hint=${t('With a bot it asks that one only, and sees only the chats that it began.')}><select class="f" name="bot"><option value="">${t('All bots')}</option>${bots.data.map(bot => html`<option value=${bot.id}>${bot.name || t('(unnamed)')}</option>`)}</select></>
      <${Choice} legend=${t('May')} of="scopes">${Object.entries(SCOPES).map(([scope, told]) => html`<label class="check"><input type="checkbox" name="scope" value=${scope} defaultChecked/> <span><span class="mono">${scope}</span> <small class="soft">${t(told)}</small></span></label>`)}</></></>`}
    ${made.value && html`<${Dialog} title=${t('Your new token')} close=${() => (made.value = null)}><p>${t('It is shown this once. Keep it where passwords are kept.')}</p><${Code} label=${t('Token')} text=${made.value}/>
      <${Code} label="curl" text=${`curl ${location.origin}/v1/bot-profiles -H "Authorization: Bearer ${made.value}"`}/><button class="btn" onClick=${() => { made.value = null; tell(t('It will not be shown again.')); }}>${t('I have kept it')}</button></>`}`;
}

export default function Access() {
  return html`<${Head} title=${t('Keys and tokens')} lead=${t('A public key may stand in a page. A secret token never may.')}/><${Keys}/><${Tokens}/>`;
}
