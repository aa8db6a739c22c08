/** What visitors asked and no source answered. */

import { Icon, html, useSignal } from '../lib/kit.js';
import { mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { ago, number, t } from '../lib/words.js';
import { Empty, Head, Waiting } from '../parts/basics.js';
import { AddToSuite } from '../parts/add_to_suite.js';
import { Bots } from '../parts/pick.js';
import { Table } from '../parts/table.js';

const SHOWN = 200;
const REASONS = { nothing_found: 'nothing found', below_floor: 'too weak' };

export default function Unanswered() {
  const bot = params.value.get('bot') ?? '';
  const filter = params.value.get('q') ?? '';
  const adding = useSignal(null);
  const bots = useApi('/v1/bot-profiles');
  const gaps = useApi(`/v1/stats/unanswered?limit=${SHOWN}${bot ? `&bot_profile_id=${encodeURIComponent(bot)}` : ''}`, { every: 30_000 });
  if (!bots.data || !gaps.data) return html`<${Waiting} error=${bots.error ?? gaps.error} reload=${gaps.reload}/>`;
  const names = new Map(bots.data.map(one => [one.id, one.name]));
  const columns = [
    { key: 'question', label: t('Question'), cell: gap => html`<a href=${href(`/chats/${gap.chat_id}`)}>${gap.question}</a>` },
    { key: 'bot', label: t('Bot'), text: gap => names.get(gap.bot_profile_id), sort: gap => names.get(gap.bot_profile_id), cell: gap => names.get(gap.bot_profile_id) },
    { key: 'reason', label: t('Reason'), cell: gap => html`<span class="soft">${t(REASONS[gap.reason] ?? gap.reason)}</span>` },
    { key: 'best_score', label: t('Best evidence'), num: true, cell: gap => number(Math.round(gap.best_score * 100) / 100) },
    { key: 'asked_at', label: t('Asked'), sort: gap => Date.parse(gap.asked_at), cell: gap => html`<span class="soft">${ago(gap.asked_at)}</span>` },
    { key: 'act', label: '', cell: gap => html`<span class="acts"><a class="btn" href=${href(`/bots/${gap.bot_profile_id}`, { tab: 'retrieval', q: gap.question })}>${t('Look why')}</a>
      ${mayChange() && html`<a class="btn" href=${href('/sources', { add: '1', bot: gap.bot_profile_id })}><${Icon} name="plus"/>${t('Add source')}</a>
      <button class="btn" type="button" onClick=${() => (adding.value = { bot: gap.bot_profile_id, turn: gap.turn_id, question: gap.question })}><${Icon} name="flask"/>${t('Add to a suite')}</button>`}</span>` },
  ];
  return html`<${Head} title=${t('Unanswered')} lead=${t('Questions that no source held an answer to. Each is a gap that you can close.')}/>
    <div class="bar"><input class="f" type="search" value=${filter} placeholder=${t('Filter…')} aria-label=${t('Filter questions')} onInput=${event => set({ q: event.target.value })}/><${Bots} bots=${bots.data} chosen=${bot}/></div>
    ${gaps.data.length === 0 ? html`<${Empty} title=${t('Nothing is missing')}><p>${t('Every question found something in your sources.')}</p></>` : html`<${Table} rows=${gaps.data.map(gap => ({ ...gap, id: gap.turn_id }))} columns=${columns} caption=${t('Unanswered')} filter=${filter}/>`}
    ${adding.value && html`<${AddToSuite} asked=${adding.value} close=${() => (adding.value = null)}/>`}`;
}
