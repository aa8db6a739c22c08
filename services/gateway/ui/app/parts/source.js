/** One source: what happens to it, what it was, and what of it can be quoted. */

import { Icon, html } from '../lib/kit.js';
import { api, mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { moment, t } from '../lib/words.js';
import { Dialog, Field, Sure, Waiting, tell } from './basics.js';
import { Passages } from './passages.js';
import { Tabs } from './pick.js';
import { Progress } from './progress.js';
import { Revisions } from './revisions.js';

export const SCHEDULES = [['none', 'never'], ['hourly', 'every hour'], ['daily', 'every day'], ['weekly', 'every week']];
const KINDS = { url: 'Web page', website: 'Website', upload: 'File', text: 'Text', nyxcore: 'nyxcore' };

function Facts({ source, changed, close, again }) {
  const { id } = source;
  const became = status => {
    if (status === source.status) return;
    again();
    changed();
  };
  const refresh = async () => {
    await api.post(`/v1/sources/${id}/ingest`);
    changed();
    set({ open: '', again: id }); // drawn anew, so that it is watched from the beginning
    set({ open: id, again: '' });
  };
  const schedule = async event => {
    await api.patch(`/v1/sources/${id}`, { refresh_schedule: event.target.value });
    tell(t('Saved.'));
    changed();
  };
  const remove = async () => {
    await api.delete(`/v1/sources/${id}`);
    tell(t('Deleted. It is quoted no more.'));
    close();
    changed();
  };
  return html`${source.source_type === 'website' && html`<a class="btn fit" href=${href(`/sources/${id}`)}><${Icon} name="globe"/>${t('Pages of the website')}</a>`}
    <${Progress} id=${id} changed=${became}/>
    <dl class="kv"><dt>${t('Kind')}</dt><dd>${t(KINDS[source.source_type] ?? source.source_type)}</dd>
      ${source.config.url && html`<dt>${t('Address')}</dt><dd><a href=${/^https?:/i.test(source.config.url) ? source.config.url : undefined} target="_blank" rel="noopener noreferrer">${source.config.url}</a></dd>`}
      ${source.language && html`<dt>${t('Language')}</dt><dd>${source.language}</dd>`}
      <dt>${t('Last read')}</dt><dd>${source.last_refreshed_at ? moment(source.last_refreshed_at) : t('never')}</dd>
      ${source.next_refresh_at && html`<dt>${t('Next time')}</dt><dd>${moment(source.next_refresh_at)}</dd>`}
      <dt>Id</dt><dd class="mono">${id}</dd></dl>
    ${mayChange() && html`<${Field} label=${t('Read again')}><select class="f" onChange=${schedule}>${SCHEDULES.map(([value, label]) => html`<option value=${value} selected=${(source.refresh_schedule ?? 'none') === value}>${t(label)}</option>`)}</select></>
    <div class="bar"><button class="btn" type="button" onClick=${refresh}><${Icon} name="refresh"/>${t('Read it now')}</button>
      <${Sure} label=${t('Delete')} question=${t('No answer will quote it any more.')} act=${remove}/></div>`}`;
}

/** A drawer; which part of it is open stands in the address. */
export function Source({ id, changed }) {
  const source = useApi(`/v1/sources/${id}`);
  const close = () => set({ open: '', part: '' });
  if (!source.data) return html`<${Dialog} title=${t('Source')} close=${close} drawer><${Waiting} error=${source.error} reload=${source.reload}/></>`;
  const part = params.value.get('part') ?? '';
  const parts = [['', t('State')], ['revisions', t('Revisions')], ['passages', t('Passages')]];
  const shown = {
    revisions: () => html`<${Revisions} id=${id} changed=${changed}/>`,
    passages: () => html`<${Passages} id=${id}/>`,
  }[part];
  return html`<${Dialog} title=${source.data.name} close=${close} drawer><${Tabs} parts=${parts} open=${part} pick=${value => set({ part: value })}/>
    ${shown?.() ?? html`<${Facts} source=${source.data} changed=${changed} close=${close} again=${source.reload}/>`}</>`;
}
