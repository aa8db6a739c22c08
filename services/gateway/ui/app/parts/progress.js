/** Watching a source become ready. */

import { html, useEffect } from '../lib/kit.js';
import { api, mayChange, useApi } from '../lib/api.js';
import { clock, counted, t, told } from '../lib/words.js';
import { Status, Waiting } from './basics.js';

const STAGES = {
  'source.created': 'Added',
  'source.updated': 'Changed',
  'source.ingestion_requested': 'Waiting for its turn',
  'source.ingestion_started': 'Reading',
  'source.fetched': 'Read',
  'source.extracted': 'Text taken out',
  'source.chunked': 'Divided',
  'source.embedded': 'Being made searchable',
  'source.undone': 'Undone',
  'source.prepared': 'Cut into passages',
  'source.ingested': 'Ready to answer',
  'source.unchanged': 'Unchanged since last time',
  'source.ingestion_failed': 'Failed',
  'source.failed': 'Failed',
  'source.deleted': 'Deleted',
};
const MOVING = new Set(['pending', 'processing']);

export const moving = source => Boolean(source) && MOVING.has(source.status);

/** The facts that happened to a source, newest last; looked at anew while it is being read. `changed` hears of each state. */
export function Progress({ id, watch = true, ready, changed }) {
  const source = useApi(`/v1/sources/${id}`, { every: watch ? 1000 : 0 });
  const on = moving(source.data);
  const facts = useApi(`/v1/sources/${id}/timeline`, { every: on ? 1000 : 0 });
  const status = source.data?.status;
  useEffect(() => {
    if (!status) return;
    facts.reload(); // what made it so is the last fact
    changed?.(status);
  }, [status]);
  if (!source.data || !facts.data) return html`<${Waiting} error=${source.error ?? facts.error} reload=${source.reload}/>`;
  const again = async () => {
    await api.post(`/v1/sources/${id}/ingest`);
    source.reload();
    facts.reload();
  };
  const failed = source.data.status === 'error';
  return html`<div class="progress"><p role="status"><${Status} is=${source.data.status}/> ${source.data.status === 'ready' && html`<span class="soft">${counted(source.data.chunk_count, '1 passage', '{n} passages')}</span>`}</p>
    ${failed && html`<div class="problem" role="alert"><p>${told(source.data.error_message)}</p>${mayChange() && html`<button class="btn" type="button" onClick=${again}>${t('Try again')}</button>`}</div>`}
    <ol class="facts">${facts.data.map(({ at, event, detail }) => html`<li><time class="soft mono" datetime=${at}>${clock(at)}</time><b>${t(STAGES[event] ?? event)}</b><span class="soft">${told(detail)}</span></li>`)}</ol>
    ${ready && source.data.status === 'ready' && ready(source.data)}</div>`;
}
