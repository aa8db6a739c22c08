/** How long chats are kept: what a number of days would erase is seen before it is set. */

import { html, useSignal } from '../lib/kit.js';
import { api, session, useApi } from '../lib/api.js';
import { counted, moment, number, t } from '../lib/words.js';
import { Field, Sure, Trouble, Waiting, tell } from './basics.js';

const LONGEST = 3650;
const PATH = '/v1/tenants/me/retention';

function Change({ days, saved }) {
  const wanted = useSignal(days ?? '');
  const seen = useSignal(null);
  const type = event => {
    wanted.value = event.target.value;
    seen.value = null;
  };
  const chosen = wanted.value === '' ? null : Number(wanted.value);
  const save = async () => {
    await api.patch(PATH, { chats_days: chosen });
    tell(t('Saved.'));
    saved();
  };
  const look = async event => {
    event.preventDefault();
    try {
      seen.value = chosen === null ? { keeps: true } : await api.get(`${PATH}/preview?chats_days=${chosen}`);
    } catch (error) {
      seen.value = { error };
    }
  };
  const { value } = seen;
  return html`<form class="form" onSubmit=${look}><${Field} label=${t('Erase chats so many days after their last message')} hint=${t('Empty: never by itself.')}><input class="f" name="days" type="number" min="1" max=${LONGEST} value=${wanted.value} onInput=${type}/></>
    <div><button class="btn" disabled=${chosen === days}>${t('What would that erase?')}</button></div>
    <div role="status">${value?.keeps && html`<p>${t('Nothing any more.')}</p>`}${value && 'chats' in value && html`<p><b>${counted(value.chats, '1 chat', '{n} chats')}</b> <span class="soft">${t('at once: those without a message since {time}', { time: moment(value.before) })}</span></p>`}</div>
    <${Trouble} error=${value?.error}/>
    ${value && !value.error && html`<${Sure} label=${t('Save')} question=${value.keeps ? t('Chats are then kept.') : t('What is erased is gone for good.')} act=${save} icon="check"/>`}</form>`;
}

export function Retention() {
  const kept = useApi(PATH);
  if (!kept.data) return html`<${Waiting} error=${kept.error} reload=${kept.reload}/>`;
  const { chats_days: days } = kept.data;
  return html`<p>${days === null ? t('Chats are kept until somebody erases them.') : counted(days, 'Chats are erased 1 day after their last message.', 'Chats are erased {n} days after their last message.')}</p>
    ${session.value.user.role === 'owner' && html`<${Change} key=${String(days)} days=${days} saved=${kept.reload}/>`}`;
}

/** What was given up for this workspace. */
export function DeadLetters() {
  const found = useApi('/v1/system/dead-letters', { every: 30_000 });
  if (!found.data) return html`<${Waiting} error=${found.error} reload=${found.reload}/>`;
  if (found.data.length === 0) return html`<p class="soft">${t('None. Nothing was given up.')}</p>`;
  return html`<p>${t('The operator sees why, and can have it done once more.')} <b>${number(found.data.length)}</b></p>
    <ul class="list letters">${found.data.map(one => html`<li key=${one.id}><span><b class="mono">${one.aggregate}.${one.name}</b> <span class="soft">${t(`given up ${one.kind}`)} · ${one.service}</span></span><span class="soft">${moment(one.given_up)} · <span class="mono">${one.aggregate_id}</span></span></li>`)}</ul>`;
}
