/** What was given up for this workspace, and what is to become of it. */

import { html, useEffect, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { moment, t } from '../lib/words.js';
import { Sure, Waiting, tell } from './basics.js';

const PATH = '/v1/system/dead-letters';
const EVERY_MS = 30_000;
/** While something is being done, it is soon known how that went. */
const SOON_MS = 2000;

const kinds = () => ({ event: t('what was to follow from it'), command: t('an order'), job: t('a piece of work'), timer: t('a timer') });

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
  return html`<li><span><b class="mono">${of.aggregate}.${of.name}</b> <span class="soft">${kinds()[of.kind]} · ${of.service}</span><br/><span class="soft">${moment(of.given_up)} · <span class="mono">${of.aggregate_id}</span></span>
      ${of.status === 'failed' && html`<br/><span class="bad">${t('Done once more, it failed again.')}</span>`}</span>
    ${of.status === 'ordered' ? html`<span class="st processing" role="status">${t('It is being done once more.')}</span>` : html`<span class="acts"><${Sure} label=${t('Do it once more')} question=${t('Was the cause mended?')} act=${replay} icon="refresh"/><${Sure} label=${t('Discard')} question=${t('It is then never done.')} act=${discard}/></span>`}</li>`;
}

function List({ found }) {
  if (found.data.length === 0) return html`<p class="soft">${t('None. Nothing was given up.')}</p>`;
  return html`<p>${t('These failed at every attempt. The operator sees why.')}</p>
    <ul class="list letters">${found.data.map(one => html`<${Letter} key=${`${one.id} ${one.status}`} of=${one} changed=${found.reload}/>`)}</ul>`;
}

export function DeadLetters() {
  const busy = useSignal(false);
  const found = useApi(PATH, { every: busy.value ? SOON_MS : EVERY_MS });
  const ordered = Boolean(found.data?.some(one => one.status === 'ordered'));
  useEffect(() => {
    busy.value = ordered;
  }, [ordered]);
  if (!found.data) return html`<${Waiting} error=${found.error} reload=${found.reload}/>`;
  return html`<${List} found=${found}/>`;
}
