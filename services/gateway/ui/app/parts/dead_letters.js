/** What was given up for this workspace, what is to become of it, and what became of the rest. */

import { html, useEffect, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { params, set } from '../lib/router.js';
import { moment, t } from '../lib/words.js';
import { Field, Sure, Waiting, tell } from './basics.js';

const PATH = '/v1/system/dead-letters';
const EVERY_MS = 30_000;
/** While something is being done, it is soon known how that went. */
const SOON_MS = 2000;

const kinds = () => ({ event: t('what was to follow from it'), command: t('an order'), job: t('a piece of work'), timer: t('a timer') });
const states = () => ({ open: t('open'), replayed: t('done once more'), discarded: t('discarded') });

const What = ({ of }) => html`<b class="mono">${of.aggregate}.${of.name}</b> <span class="soft">${kinds()[of.kind]} · ${of.service}</span><br/><span class="soft">${t('given up on {time}', { time: moment(of.given_up) })} · <span class="mono">${of.aggregate_id}</span></span>`;

function Letter({ of, changed }) {
  const replay = async () => {
    await api.post(`${PATH}/${of.id}/replay`);
    tell(t('It is being done once more.'));
    changed();
  };
  const discard = async () => {
    await api.delete(`${PATH}/${of.id}`);
    changed();
  };
  return html`<li><span><${What} of=${of}/>
      ${of.status === 'failed' && html`<br/><span class="bad">${t('Done once more, it failed again.')}</span>`}</span>
    ${of.status === 'ordered' ? html`<span class="st processing" role="status">${t('It is being done once more.')}</span>` : html`<span class="acts"><${Sure} label=${t('Do it once more')} question=${t('Was the cause mended?')} act=${replay} icon="refresh"/><${Sure} label=${t('Discard')} question=${t('It is then never done.')} act=${discard}/></span>`}</li>`;
}

/** `names` tells who somebody is. */
function Settled({ of, names }) {
  const who = names.get(of.user_id) ?? of.settled_by;
  return html`<li><span><${What} of=${of}/></span><span>${of.status === 'replayed' ? t('Done once more on {time}, ordered by {name}', { time: moment(of.settled_at), name: who }) : t('Discarded on {time} by {name}', { time: moment(of.settled_at), name: who })}</span></li>`;
}

function Open() {
  const busy = useSignal(false);
  const found = useApi(PATH, { every: busy.value ? SOON_MS : EVERY_MS });
  const ordered = Boolean(found.data?.some(one => one.status === 'ordered'));
  useEffect(() => {
    busy.value = ordered;
  }, [ordered]);
  if (!found.data) return html`<${Waiting} error=${found.error} reload=${found.reload}/>`;
  if (found.data.length === 0) return html`<p class="soft">${t('None. Nothing was given up.')}</p>`;
  return html`<p>${t('These failed at every attempt. The operator sees why.')}</p>
    <ul class="list letters">${found.data.map(one => html`<${Letter} key=${`${one.id} ${one.status}`} of=${one} changed=${found.reload}/>`)}</ul>`;
}

function History({ state }) {
  const found = useApi(`${PATH}?state=${state}`);
  const users = useApi('/v1/users');
  if (!found.data || !users.data) return html`<${Waiting} error=${found.error ?? users.error} reload=${found.reload}/>`;
  if (found.data.length === 0) return html`<p class="soft">${t('None.')}</p>`;
  const names = new Map(users.data.map(user => [user.id, user.display_name || user.email]));
  return html`<ul class="list letters">${found.data.map(one => html`<${Settled} key=${one.id} of=${one} names=${names}/>`)}</ul>`;
}

export function DeadLetters() {
  const asked = params.value.get('letters');
  const state = asked in states() ? asked : 'open';
  return html`<div class="bar letters-state"><${Field} label=${t('State')}><select class="f" onChange=${event => set({ letters: event.target.value === 'open' ? '' : event.target.value })}>${Object.entries(states()).map(([value, label]) => html`<option value=${value} selected=${value === state}>${label}</option>`)}</select></></div>
    ${state === 'open' ? html`<${Open}/>` : html`<${History} key=${state} state=${state}/>`}`;
}
