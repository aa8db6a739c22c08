/** What the bots may quote. */

import { Icon, html } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { params, set } from '../lib/router.js';
import { ago, moment, number, t } from '../lib/words.js';
import { Dialog, Empty, Field, Head, Status, Sure, Waiting, tell } from '../parts/basics.js';
import { Progress } from '../parts/progress.js';
import { SourceForm } from '../parts/source_form.js';
import { Table } from '../parts/table.js';

const STATES = ['', 'ready', 'processing', 'pending', 'error'];
const ICONS = { url: 'globe', website: 'globe', upload: 'upload', text: 'text', nyxcore: 'library' };
const KINDS = { url: 'Web page', website: 'Website', upload: 'File', text: 'Text', nyxcore: 'nyxcore' };
const SCHEDULES = [['none', 'never'], ['hourly', 'every hour'], ['daily', 'every day'], ['weekly', 'every week']];

function Details({ id, changed }) {
  const source = useApi(`/v1/sources/${id}`);
  const close = () => set({ open: '' });
  if (!source.data) return html`<${Dialog} title=${t('Source')} close=${close} drawer><${Waiting} error=${source.error} reload=${source.reload}/></>`;
  const { data } = source;
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
  return html`<${Dialog} title=${data.name} close=${close} drawer>
    <${Progress} id=${id}/>
    <dl class="kv"><dt>${t('Kind')}</dt><dd>${t(KINDS[data.source_type] ?? data.source_type)}</dd>
      ${data.config.url && html`<dt>${t('Address')}</dt><dd><a href=${/^https?:/i.test(data.config.url) ? data.config.url : undefined} target="_blank" rel="noopener noreferrer">${data.config.url}</a></dd>`}
      ${data.language && html`<dt>${t('Language')}</dt><dd>${data.language}</dd>`}
      <dt>${t('Last read')}</dt><dd>${data.last_refreshed_at ? moment(data.last_refreshed_at) : t('never')}</dd>
      <dt>Id</dt><dd class="mono">${data.id}</dd></dl>
    <${Field} label=${t('Read again')}><select class="f" onChange=${schedule}>${SCHEDULES.map(([value, label]) => html`<option value=${value} selected=${(data.refresh_schedule ?? 'none') === value}>${t(label)}</option>`)}</select></>
    <div class="bar"><button class="btn" type="button" onClick=${refresh}><${Icon} name="refresh"/>${t('Read it now')}</button>
      <${Sure} label=${t('Delete')} question=${t('No answer will quote it any more.')} act=${remove}/></div></>`;
}

function Add({ bots, changed }) {
  const close = () => set({ add: '' });
  const chosen = params.value.get('bot') ?? bots[0].id;
  const added = source => {
    changed();
    set({ add: '', open: source.id });
  };
  return html`<${Dialog} title=${t('Add source')} close=${close}><${SourceForm} bot=${({ bot }) => bot} added=${added}>
    <${Field} label=${t('Bot')}><select class="f" name="bot">${bots.map(bot => html`<option value=${bot.id} selected=${bot.id === chosen}>${bot.name}</option>`)}</select></></></>`;
}

export default function Sources() {
  const asked = params.value;
  const bot = asked.get('bot') ?? '';
  const state = asked.get('status') ?? '';
  const filter = asked.get('q') ?? '';
  const bots = useApi('/v1/bot-profiles');
  const sources = useApi(`/v1/sources${bot ? `?bot_profile_id=${encodeURIComponent(bot)}` : ''}`, { every: 3000 });
  if (!bots.data || !sources.data) return html`<${Waiting} error=${bots.error ?? sources.error} reload=${sources.reload}/>`;
  const names = new Map(bots.data.map(one => [one.id, one.name]));
  const rows = sources.data.filter(source => !state || source.status === state);
  const count = value => (value ? sources.data.filter(source => source.status === value).length : sources.data.length);
  const columns = [
    { key: 'name', label: t('Name'), cell: source => html`<${Icon} name=${ICONS[source.source_type] ?? 'text'}/> ${source.name}` },
    { key: 'status', label: t('State'), text: source => t(source.status), cell: source => html`<${Status} is=${source.status}/>` },
    { key: 'bot', label: t('Bot'), text: source => names.get(source.bot_profile_id), sort: source => names.get(source.bot_profile_id), cell: source => names.get(source.bot_profile_id) },
    { key: 'chunk_count', label: t('Passages'), num: true, cell: source => (source.chunk_count ? number(source.chunk_count) : '–') },
    { key: 'refresh_schedule', label: t('Read again'), cell: source => t(SCHEDULES.find(([value]) => value === source.refresh_schedule)?.[1] ?? 'never') },
    { key: 'updated_at', label: t('Changed'), sort: source => Date.parse(source.updated_at), cell: source => html`<span class="soft">${ago(source.updated_at)}</span>` },
  ];
  const open = asked.get('open');
  return html`<${Head} title=${t('Sources')} lead=${t('What your bots may quote.')}>${bots.data.length > 0 && html`<button class="btn go" onClick=${() => set({ add: '1' })}><${Icon} name="plus"/>${t('Add source')}</button>`}</>
    ${bots.data.length === 0 ? html`<${Empty} title=${t('No bot yet')}><p>${t('A source belongs to a bot.')}</p><a class="btn go" href="/dashboard/start">${t('Set up a bot')}</a></>`
      : html`<div class="bar"><input class="f" type="search" value=${filter} placeholder=${t('Filter…')} aria-label=${t('Filter sources')} onInput=${event => set({ q: event.target.value })}/>
        <select class="f" aria-label=${t('Bot')} onChange=${event => set({ bot: event.target.value })}><option value="">${t('All bots')}</option>${bots.data.map(one => html`<option value=${one.id} selected=${one.id === bot}>${one.name}</option>`)}</select>
        ${STATES.map(value => html`<button class=${`btn ${state === value ? 'on' : ''}`} aria-pressed=${state === value} onClick=${() => set({ status: value })}>${t(value || 'all')} ${number(count(value))}</button>`)}</div>
      ${sources.data.length === 0 ? html`<${Empty} title=${t('Nothing to quote yet')}><p>${t('Add a web page, a file or a text.')}</p><button class="btn go" onClick=${() => set({ add: '1' })}>${t('Add source')}</button></>`
        : html`<${Table} rows=${rows} columns=${columns} caption=${t('Sources')} filter=${filter} open=${source => set({ open: source.id })}/>`}`}
    ${asked.get('add') && bots.data.length > 0 && html`<${Add} bots=${bots.data} changed=${sources.reload}/>`}
    ${open && html`<${Details} key=${open} id=${open} changed=${sources.reload}/>`}`;
}
