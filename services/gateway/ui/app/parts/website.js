/** One website: how far its import is, page by page. */

import { Icon, html } from '../lib/kit.js';
import { api, explained, mayChange, useApi } from '../lib/api.js';
import { href } from '../lib/router.js';
import { ago, counted, number, t, told } from '../lib/words.js';
import { Empty, Head, Status, Sure, Waiting, tell } from './basics.js';
import { PageGrid } from './page_grid.js';

const EVERY_MS = 1500;
const PHASES = { running: 'processing', paused: 'pending', finished: 'ready', cancelled: 'off', failed: 'error' };

export function Website({ id }) {
  const crawl = useApi(`/v1/sources/${id}/crawl`, { every: EVERY_MS });
  const phase = crawl.data?.phase;
  const on = phase === 'running' || phase === 'paused';
  const source = useApi(`/v1/sources/${id}`, { every: on ? EVERY_MS : 5000 });
  const pages = useApi(`/v1/sources/${id}/pages`, { every: phase === 'running' ? EVERY_MS : 5000 });
  if (!source.data || !crawl.data || !pages.data) return html`<${Waiting} error=${source.error ?? crawl.error ?? pages.error} reload=${source.reload}/>`;
  const { counts } = crawl.data;
  const order = what => async () => {
    await api.post(`/v1/sources/${id}/${what}`);
    tell(t('Done.'));
    crawl.reload();
    pages.reload();
  };
  const again = async () => {
    await api.post(`/v1/sources/${id}/ingest`);
    crawl.reload();
  };
  // Pages that a rule stands against are never visited; the end is the end all the same.
  const part = on ? counts.visited / Math.max(1, counts.found) : 1;
  const act = (label, icon, what) => html`<button class="btn" onClick=${() => order(what)().catch(error => tell(explained(error)))}><${Icon} name=${icon}/>${label}</button>`;
  return html`<${Head} title=${source.data.name} lead=${html`<${Status} is=${source.data.status}/> · <a href=${href('/sources', { open: id })}>${t('Settings and history')}</a> · <a href=${href(`/bots/${source.data.bot_profile_id}`)}>${t('Ask the bot')}</a>`}>
      ${mayChange() && html`${phase === 'running' && act(t('Pause'), 'pause', 'pause')}${phase === 'paused' && act(t('Go on'), 'play', 'resume')}
      ${on && html`<${Sure} label=${t('Cancel the import')} question=${t('Pages that were read stay.')} act=${order('cancel')} icon="close"/>`}
      ${!on && html`<button class="btn" onClick=${() => again().catch(error => tell(explained(error)))}><${Icon} name="refresh"/>${t('Read it again')}</button>`}`}</>
    ${phase === null ? html`<${Empty} title=${t('Not imported yet')}/>` : html`<div class="crawl"><p role="status"><span class=${`st ${PHASES[phase]}`}>${t(`import ${phase}`)}</span> <span class="soft">${t('{n} of {all} pages', { n: number(counts.visited), all: number(counts.found) })} · ${counted(source.data.chunk_count, '1 passage', '{n} passages')}${crawl.data.updated_at ? ` · ${ago(crawl.data.updated_at)}` : ''}</span></p>
      <div class="meter" role="meter" aria-label=${t('Pages that were visited')} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(part * 100)}><span style=${{ width: `${part * 100}%` }}/></div>
      ${crawl.data.reason && html`<div class="problem" role="alert"><p>${told(crawl.data.reason)}</p></div>`}</div>
    <${PageGrid} pages=${pages.data}/>`}`;
}
