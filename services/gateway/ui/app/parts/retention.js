/** How long chats, the audit log and deliveries are kept. What a number of days would erase of chats is seen before it is set. */

import { html, useSignal } from '../lib/kit.js';
import { api, session, useApi } from '../lib/api.js';
import { counted, moment, t } from '../lib/words.js';
import { Field, Sure, Trouble, Waiting, tell } from './basics.js';

const LONGEST = 3650;
const FEWEST_OF_DELIVERIES = 7;
const PATH = '/v1/tenants/me/retention';

const number = text => (text === '' ? null : Number(text));

/** A number of days, or nothing. `seen` is told what stands there, as it is typed. */
function Days({ label, hint, least = 1, wanted, seen }) {
  return html`<${Field} label=${label} hint=${hint}><input class="f" name="days" type="number" min=${least} max=${LONGEST} value=${wanted ?? ''} onInput=${event => seen(number(event.target.value), event.target.checkValidity())}/></>`;
}

function Chats({ days, saved }) {
  const wanted = useSignal(days);
  const found = useSignal(null);
  const save = async () => {
    await api.patch(PATH, { chats_days: wanted.value });
    tell(t('Saved.'));
    saved();
  };
  const look = async event => {
    event.preventDefault();
    try {
      found.value = wanted.value === null ? { keeps: true } : await api.get(`${PATH}/preview?chats_days=${wanted.value}`);
    } catch (error) {
      found.value = { error };
    }
  };
  const typed = value => {
    wanted.value = value;
    found.value = null;
  };
  const { value } = found;
  return html`<form class="form" onSubmit=${look}><${Days} label=${t('Erase chats so many days after their last message')} hint=${t('Empty: never by itself.')} wanted=${wanted.value} seen=${typed}/>
    <div><button class="btn" disabled=${wanted.value === days}>${t('What would that erase?')}</button></div>
    <div role="status">${value?.keeps && html`<p>${t('Nothing any more.')}</p>`}${value && 'chats' in value && html`<p><b>${counted(value.chats, '1 chat', '{n} chats')}</b> <span class="soft">${t('at once: those without a message since {time}, and replays of them', { time: moment(value.before) })}</span></p>`}</div>
    <${Trouble} error=${value?.error}/>
    ${value && !value.error && html`<div><${Sure} label=${t('Save')} question=${value.keeps ? t('Chats are then kept.') : t('What is erased is gone for good.')} act=${save} icon="check"/></div>`}</form>`;
}

/** Days for something of which nothing is seen before. */
function Others({ field, label, hint, least, days, saved }) {
  const wanted = useSignal(days);
  const valid = useSignal(true);
  const save = async () => {
    await api.patch(PATH, { [field]: wanted.value });
    tell(t('Saved.'));
    saved();
  };
  const typed = (value, good) => {
    wanted.value = value;
    valid.value = good;
  };
  return html`<form class="form" onSubmit=${event => event.preventDefault()}><${Days} label=${label} hint=${hint} least=${least} wanted=${wanted.value} seen=${typed}/>
    ${wanted.value !== days && valid.value && html`<div><${Sure} key=${wanted.value} label=${t('Save')} question=${wanted.value === null ? t('Nothing goes by itself any more.') : t('What is older is erased within a day.')} act=${save} icon="check"/></div>`}</form>`;
}

export function Retention() {
  const kept = useApi(PATH);
  if (!kept.data) return html`<${Waiting} error=${kept.error} reload=${kept.reload}/>`;
  const { chats_days: chats, audit_days: audit, deliveries_days: deliveries } = kept.data;
  const owner = session.value.user.role === 'owner';
  return html`<div class="kept"><h3>${t('Chats')}</h3><p>${chats === null ? t('Chats are kept until somebody erases them.') : counted(chats, 'Chats are erased 1 day after their last message.', 'Chats are erased {n} days after their last message.')}</p>
    ${owner && html`<${Chats} key=${String(chats)} days=${chats} saved=${kept.reload}/>`}</div>
    <div class="kept"><h3>${t('Audit log')}</h3><p>${audit === null ? t('All entries of the audit log are kept.') : counted(audit, 'Entries of the audit log are kept for 1 day.', 'Entries of the audit log are kept for {n} days.')}</p>
    ${owner && html`<${Others} key=${String(audit)} field="audit_days" label=${t('Keep entries for so many days')} hint=${t('Empty: for ever.')} days=${audit} saved=${kept.reload}/>`}</div>
    <div class="kept"><h3>${t('Deliveries of webhooks')}</h3><p>${deliveries === null ? t('All deliveries are kept.') : counted(deliveries, 'Deliveries are kept for 1 day.', 'Deliveries are kept for {n} days.')}</p>
    ${owner && html`<${Others} key=${String(deliveries)} field="deliveries_days" label=${t('Keep deliveries for so many days')} hint=${t('Empty: for ever. At least 7, as one may still be tried until then.')} least=${FEWEST_OF_DELIVERIES} days=${deliveries} saved=${kept.reload}/>`}</div>`;
}
