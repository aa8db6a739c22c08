/** What the bots may quote. */

import { Icon, html } from '../lib/kit.js';
import { mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { ago, number, t } from '../lib/words.js';
import { Dialog, Empty, Field, Head, Status, Waiting } from '../parts/basics.js';
import { Bots } from '../parts/pick.js';
import { SCHEDULES, Source } from '../parts/source.js';
import { SourceForm } from '../parts/source_form.js';
import { Table } from '../parts/table.js';
import { Website } from '../parts/website.js';

const STATES = ['', 'ready', 'processing', 'pending', 'error'];
const ICONS = { url: 'globe', website: 'globe', upload: 'upload', text: 'text', nyxcore: 'library' };

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

function List() {
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
  return html`<${Head} title=${t('Sources')} lead=${t('What your bots may quote.')}>${mayChange() && bots.data.length > 0 && html`<a class="btn" href=${href('/import', { bot })}><${Icon} name="globe"/>${t('Import a website')}</a><button class="btn go" onClick=${() => set({ add: '1' })}><${Icon} name="plus"/>${t('Add source')}</button>`}</>
    ${bots.data.length === 0 ? html`<${Empty} title=${t('No bot yet')}><p>${t('A source belongs to a bot.')}</p>${mayChange() && html`<a class="btn go" href=${href('/start')}>${t('Set up a bot')}</a>`}</>`
      : html`<div class="bar"><input class="f" type="search" value=${filter} placeholder=${t('Filter…')} aria-label=${t('Filter sources')} onInput=${event => set({ q: event.target.value })}/>
        <${Bots} bots=${bots.data} chosen=${bot}/>
        ${STATES.map(value => html`<button class=${`btn ${state === value ? 'on' : ''}`} aria-pressed=${state === value} onClick=${() => set({ status: value })}>${t(value || 'all')} ${number(count(value))}</button>`)}</div>
      ${sources.data.length === 0 ? html`<${Empty} title=${t('Nothing to quote yet')}>${mayChange() && html`<p>${t('Add a web page, a file or a text.')}</p><a class="btn" href=${href('/import', { bot })}>${t('Import a website')}</a> <button class="btn go" onClick=${() => set({ add: '1' })}>${t('Add source')}</button>`}</>`
        : html`<${Table} rows=${rows} columns=${columns} caption=${t('Sources')} filter=${filter} open=${source => set({ open: source.id, part: '' })}/>`}`}
    ${asked.get('add') && mayChange() && bots.data.length > 0 && html`<${Add} bots=${bots.data} changed=${sources.reload}/>`}
    ${open && html`<${Source} key=${open} id=${open} changed=${sources.reload}/>`}`;
}

export default function Sources({ id }) {
  return id ? html`<${Website} id=${id}/>` : html`<${List}/>`;
}
