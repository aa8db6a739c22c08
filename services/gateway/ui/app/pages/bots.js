/** Bots: all of them, or one with what shapes it. */

import { Icon, html, useEffect, useRef, useSignal } from '../lib/kit.js';
import { api, mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { ago, language, number, t } from '../lib/words.js';
import { Empty, Head, Status, Sure, Waiting } from '../parts/basics.js';
import { Index } from '../parts/bot_index.js';
import { Settings, nameOf } from '../parts/bot_settings.js';
import { Chat } from '../parts/chat.js';
import { Embed } from '../parts/embed.js';
import { Inspector } from '../parts/inspector.js';
import { Tabs } from '../parts/pick.js';
import { Table } from '../parts/table.js';

const state = bot => (bot.is_active ? 'live' : 'off');

function List() {
  const bots = useApi('/v1/bot-profiles');
  const sources = useApi('/v1/sources');
  if (!bots.data || !sources.data) return html`<${Waiting} error=${bots.error ?? sources.error} reload=${bots.reload}/>`;
  const count = id => sources.data.filter(source => source.bot_profile_id === id).length;
  const columns = [
    { key: 'name', label: t('Name'), cell: bot => html`<a href=${href(`/bots/${bot.id}`)}>${bot.name || t('(unnamed)')}</a>` },
    { key: 'is_active', label: t('State'), text: bot => t(state(bot)), cell: bot => html`<${Status} is=${state(bot)}/>` },
    { key: 'model', label: t('Model'), cell: bot => html`<span class="mono">${bot.model}</span>` },
    { key: 'sources', label: t('Sources'), num: true, sort: bot => count(bot.id), cell: bot => html`<a href=${href('/sources', { bot: bot.id })}>${number(count(bot.id))}</a>` },
    { key: 'updated_at', label: t('Changed'), sort: bot => Date.parse(bot.updated_at), cell: bot => html`<span class="soft">${ago(bot.updated_at)}</span>` },
  ];
  return html`<${Head} title=${t('Bots')} lead=${t('Each reads its own sources and answers in its own way.')}>${mayChange() && html`<a class="btn go" href=${href('/start')}><${Icon} name="plus"/>${t('New bot')}</a>`}</>
    ${bots.data.length === 0 ? html`<${Empty} title=${t('No bot yet')}>${mayChange() && html`<p>${t('Name a web page, and in a minute a bot answers from it.')}</p><a class="btn go" href=${href('/start')}>${t('Set up a bot')}</a>`}</>` : html`<${Table} rows=${bots.data} columns=${columns} caption=${t('Bots')}/>`}`;
}

function Figures({ of }) {
  if (!of) return html`<p class="soft">${t('Ask what your visitors ask.')}</p>`;
  const seconds = ms => new Intl.NumberFormat(language.value, { maximumFractionDigits: 1 }).format(ms / 1000);
  return html`<p class="soft">${of.draft && html`<span class="tag">${t('unsaved draft')}</span> `}${t('First word after {first} s, all after {all} s · {n} tokens', { first: seconds(of.first ?? of.ms), all: seconds(of.ms), n: number(of.usage?.total_tokens ?? 0) })} · ${of.grounded ? html`<mark>${t('from the sources')}</mark>` : t('not in the sources')}${of.citations.length > 0 && ` · ${t('{n} of {all} passages cited', { n: number(of.cited.length), all: number(of.citations.length) })}`} · <span class="mono">${of.usage?.model}</span></p>`;
}

/** The form, and beside it the bot as the form has it, saved or not. */
function Try({ bot, reload }) {
  const answer = useSignal(null);
  const draft = useSignal(null);
  const version = useSignal(0);
  const asked = useRef(null);
  const besides = () => {
    asked.current = draft.value;
    return draft.value ? { draft: draft.value } : {};
  };
  const discard = () => {
    draft.value = null;
    version.value++; // the form is drawn anew, with what is saved
  };
  useEffect(() => {
    draft.value = null; // with other settings the form is drawn anew too
  }, [bot.updated_at]);
  return html`<div class="try">${mayChange() && html`<${Settings} key=${`${bot.updated_at} ${version.value}`} bot=${bot} saved=${reload} drafted=${value => (draft.value = value)}/>`}
    <div class="side"><div class="draft" role="status">${draft.value && html`<p><mark>${t('unsaved draft')}</mark> ${t('The next answer here uses it; visitors get what is saved.')} <span class="soft">${Object.keys(draft.value).map(nameOf).join(' · ')}</span></p>
        <button class="btn" type="button" onClick=${discard}><${Icon} name="undo"/>${t('Discard')}</button>`}</div>
      <${Chat} bot=${bot.id} besides=${besides} answered=${told => (answer.value = { ...told, draft: Boolean(asked.current) })}/><${Figures} of=${answer.value}/></div></div>`;
}

function One({ id }) {
  const bot = useApi(`/v1/bot-profiles/${id}`);
  if (!bot.data) return html`<${Waiting} error=${bot.error} reload=${bot.reload}/>`;
  const tab = params.value.get('tab') ?? 'try';
  const off = async () => {
    await api.delete(`/v1/bot-profiles/${id}`);
    bot.reload();
  };
  const tabs = {
    ...(mayChange() && { embed: () => html`<${Embed} bot=${bot.data}/>`, index: () => html`<${Index} bot=${bot.data} saved=${bot.reload}/>` }),
    retrieval: () => html`<${Inspector} bot=${id}/>`,
  };
  return html`<${Head} title=${bot.data.name || t('(unnamed)')} lead=${html`<${Status} is=${state(bot.data)}/> · <a href=${href('/sources', { bot: id })}>${t('Sources')}</a> · <a href=${href('/chats', { bot: id })}>${t('Chats')}</a>`}>
      ${mayChange() && bot.data.is_active && html`<${Sure} label=${t('Switch off')} question=${t('Visitors get no answer any more.')} act=${off} icon="close"/>`}</>
    <${Tabs} parts=${[['try', t('Try it')], ['retrieval', t('Retrieval')], ...(mayChange() ? [['index', t('Index')], ['embed', t('Embed')]] : [])]} open=${tab} pick=${value => set({ tab: value })}/>
    ${tabs[tab]?.() ?? html`<${Try} key=${id} bot=${bot.data} reload=${bot.reload}/>`}`;
}

export default function Bots({ id }) {
  return id ? html`<${One} id=${id}/>` : html`<${List}/>`;
}
