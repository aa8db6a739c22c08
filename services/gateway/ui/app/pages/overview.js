/** What there is, and what to do next. */

import { Icon, html } from '../lib/kit.js';
import { mayChange, session, useApi } from '../lib/api.js';
import { href } from '../lib/router.js';
import { ago, counted, number, t, told } from '../lib/words.js';
import { Empty, Head, Kpi, Status, Waiting } from '../parts/basics.js';

const sum = (rows, key) => rows.reduce((total, row) => total + row[key], 0);

export default function Overview() {
  const bots = useApi('/v1/bot-profiles');
  const sources = useApi('/v1/sources', { every: 10_000 });
  const chats = useApi('/v1/chat?limit=100', { every: 10_000 });
  const error = bots.error ?? sources.error ?? chats.error;
  if (!bots.data || !sources.data || !chats.data) return html`<${Waiting} error=${error} reload=${bots.reload}/>`;
  const { user, tenant } = session.value;
  const title = t('Hello, {name}', { name: user.display_name || tenant.name });
  if (bots.data.length === 0) {
    return html`<${Head} title=${title}/><${Empty} title=${t('No bot yet')}>${mayChange() && html`<p>${t('Name a web page, and in a minute a bot answers from it.')}</p><a class="btn go" href=${href('/start')}>${t('Set up a bot')}</a>`}</>`;
  }
  const failed = sources.data.filter(source => source.status === 'error');
  const names = new Map(bots.data.map(bot => [bot.id, bot.name]));
  return html`<${Head} title=${title} lead=${counted(sources.data.filter(source => source.chunk_count > 0).length, '1 source stands behind your answers.', '{n} sources stand behind your answers.')}>
      ${mayChange() && html`<a class="btn" href=${href('/sources', { add: '1' })}><${Icon} name="plus"/>${t('Add source')}</a><a class="btn go" href=${href('/start')}><${Icon} name="bot"/>${t('Set up a bot')}</a>`}</>
    <dl class="kpis"><${Kpi} label=${t('Bots')} value=${number(bots.data.filter(bot => bot.is_active).length)}/>
      <${Kpi} label=${t('Passages')} value=${number(sum(sources.data, 'chunk_count'))} note=${counted(sources.data.length, '1 source', '{n} sources')}/>
      <${Kpi} label=${t('Chats')} value=${number(chats.data.length) + (chats.data.length === 100 ? '+' : '')}/>
      <${Kpi} label=${t('Tokens')} value=${number(sum(chats.data, 'total_prompt_tokens') + sum(chats.data, 'total_completion_tokens'))} note=${t('in these chats')}/></dl>
    <div class="cols"><section class="sec"><header><h2>${t('Latest chats')}</h2><a href=${href('/chats')}>${t('All chats')}</a></header>
      ${chats.data.length === 0 ? html`<p class="soft">${t('Nobody has asked anything yet.')}</p>` : html`<ul class="list">${chats.data.slice(0, 8).map(chat => html`<li><a href=${href(`/chats/${chat.id}`)}>${chat.title || t('(empty)')}</a><span class="soft">${names.get(chat.bot_profile_id)} · ${ago(chat.created_at)}</span></li>`)}</ul>`}</section>
    <section class="sec"><header><h2>${t('What needs you')}</h2></header>
      ${failed.length === 0 ? html`<p class="soft">${t('Nothing. Every source is well.')}</p>` : html`<ul class="list">${failed.slice(0, 8).map(source => html`<li><a href=${href('/sources', { open: source.id })}>${source.name}</a><span><${Status} is="error"/> <span class="soft">${told(source.error_message)}</span></span></li>`)}</ul>`}</section></div>`;
}
