/** Bots: all of them, or one with what shapes it. */

import { Icon, html, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { ago, number, t } from '../lib/words.js';
import { Empty, Field, Form, Head, Status, Sure, Waiting, tell } from '../parts/basics.js';
import { Chat } from '../parts/chat.js';
import { Embed } from '../parts/embed.js';
import { Table } from '../parts/table.js';

const state = bot => (bot.is_active ? 'live' : 'off');
const TABS = [['try', 'Try it'], ['embed', 'Embed']];

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
  return html`<${Head} title=${t('Bots')} lead=${t('Each reads its own sources and answers in its own way.')}><a class="btn go" href=${href('/start')}><${Icon} name="plus"/>${t('New bot')}</a></>
    ${bots.data.length === 0 ? html`<${Empty} title=${t('No bot yet')}><p>${t('Name a web page, and in a minute a bot answers from it.')}</p><a class="btn go" href=${href('/start')}>${t('Set up a bot')}</a></>` : html`<${Table} rows=${bots.data} columns=${columns} caption=${t('Bots')}/>`}`;
}

function Settings({ bot, saved }) {
  const send = async ({ temperature, max_tokens, api_key, api_base, is_active, ...texts }) => {
    const credentials = api_key || api_base ? { credentials: { ...(api_key && { api_key }), ...(api_base && { api_base }) } } : {};
    await api.patch(`/v1/bot-profiles/${bot.id}`, { ...texts, temperature: Number(temperature), max_tokens: Number(max_tokens), is_active: is_active === 'on', ...credentials });
    tell(t('Saved. The next answer uses it.'));
    saved();
  };
  return html`<${Form} send=${send} action=${t('Save')} wide>
    <${Field} label=${t('Name')}><input class="f" name="name" maxlength="255" defaultValue=${bot.name}/></>
    <${Field} label=${t('Description')}><input class="f" name="description" maxlength="1000" defaultValue=${bot.description}/></>
    <${Field} label=${t('Instructions')} hint=${t('How it should answer. What it knows comes from the sources.')}><textarea class="f" name="system_prompt" rows="6" defaultValue=${bot.system_prompt}></textarea></>
    <${Field} label=${t('Model')} hint=${t('Any LiteLLM name, or local/extractive, which needs no key.')}><input class="f mono" name="model" maxlength="100" defaultValue=${bot.model} list="models"/></>
    <datalist id="models">${['local/extractive', 'gpt-4o-mini', 'gpt-4o', 'anthropic/claude-haiku-4-5', 'gemini/gemini-2.0-flash', 'ollama/llama3.1'].map(name => html`<option value=${name}/>`)}</datalist>
    <div class="pair"><${Field} label=${t('API key')} hint=${bot.has_credentials ? t('One is kept; it is never shown.') : t('None is kept.')}><input class="f" name="api_key" type="password" autocomplete="off"/></>
      <${Field} label=${t('API address')} hint=${t('For compatible servers.')}><input class="f mono" name="api_base" placeholder="https://"/></></div>
    <div class="pair"><${Field} label=${t('Temperature')}><input class="f" name="temperature" type="number" min="0" max="2" step="0.1" defaultValue=${bot.temperature}/></>
      <${Field} label=${t('Longest answer, in tokens')}><input class="f" name="max_tokens" type="number" min="1" max="128000" defaultValue=${bot.max_tokens}/></></div>
    <label class="check"><input type="checkbox" name="is_active" defaultChecked=${bot.is_active}/> ${t('It answers')}</label></>`;
}

function Figures({ of }) {
  if (!of) return html`<p class="soft">${t('Ask what your visitors ask.')}</p>`;
  const seconds = ms => new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 }).format(ms / 1000);
  return html`<p class="soft">${t('First word after {first} s, all after {all} s · {n} tokens', { first: seconds(of.first ?? of.ms), all: seconds(of.ms), n: number(of.usage?.total_tokens ?? 0) })} · ${of.grounded ? html`<mark>${t('from the sources')}</mark>` : t('not in the sources')} · <span class="mono">${of.usage?.model}</span></p>`;
}

function One({ id }) {
  const bot = useApi(`/v1/bot-profiles/${id}`);
  const answer = useSignal(null);
  if (!bot.data) return html`<${Waiting} error=${bot.error} reload=${bot.reload}/>`;
  const tab = params.value.get('tab') ?? 'try';
  const off = async () => {
    await api.delete(`/v1/bot-profiles/${id}`);
    bot.reload();
  };
  return html`<${Head} title=${bot.data.name || t('(unnamed)')} lead=${html`<${Status} is=${state(bot.data)}/> · <a href=${href('/sources', { bot: id })}>${t('Sources')}</a> · <a href=${href('/chats', { bot: id })}>${t('Chats')}</a>`}>
      ${bot.data.is_active && html`<${Sure} label=${t('Switch off')} question=${t('Visitors get no answer any more.')} act=${off} icon="close"/>`}</>
    <div class="tabs" role="group" aria-label=${t('Parts')}>${TABS.map(([value, label]) => html`<button type="button" aria-pressed=${tab === value} onClick=${() => set({ tab: value })}>${t(label)}</button>`)}</div>
    ${tab === 'embed' ? html`<${Embed} bot=${bot.data}/>` : html`<div class="try"><${Settings} key=${bot.data.updated_at} bot=${bot.data} saved=${bot.reload}/>
      <div class="side"><${Chat} bot=${id} answered=${told => (answer.value = told)}/><${Figures} of=${answer.value}/></div></div>`}`;
}

export default function Bots({ id }) {
  return id ? html`<${One} id=${id}/>` : html`<${List}/>`;
}
