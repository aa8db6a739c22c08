/** How much may be used, who is told, and where it stops. */

import { Icon, html } from '../lib/kit.js';
import { api, session, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { language, number, t } from '../lib/words.js';
import { Check, Dialog, Empty, Field, Form, Head, Sure, Waiting, tell } from '../parts/basics.js';

const PERIODS = { day: 'a day', month: 'a month' };
const NEW = { name: '', bot_profile_id: null, period: 'month', unit: 'usd', limit: '', thresholds: [80, 100], hard_stop: false };

const percent = part => new Intl.NumberFormat(language.value, { style: 'percent', maximumFractionDigits: 0 }).format(part);
const amount = (unit, value) => (unit === 'usd'
  ? new Intl.NumberFormat(language.value, { style: 'currency', currency: 'USD', maximumFractionDigits: value < 1 ? 4 : 2 }).format(value)
  : t('{n} tokens', { n: number(Math.round(value)) }));

function One({ budget, bot, edit, changed }) {
  const part = budget.used / budget.limit;
  const reached = budget.thresholds.filter(one => part * 100 >= one);
  const title = budget.name || bot || t('All bots');
  const state = part >= 1 ? 'full' : reached.length ? 'near' : '';
  return html`<li class="budget"><header><h2>${title}</h2>${budget.name && budget.name !== bot && html`<span class="soft">${bot ?? t('All bots')}</span>`}${budget.hard_stop && html`<span class="tag">${t('stops')}</span>`}</header>
    <p><b>${amount(budget.unit, budget.used)}</b> <span class="soft">${t('of {limit} {period}', { limit: amount(budget.unit, budget.limit), period: t(PERIODS[budget.period]) })}</span></p>
    <div class=${`meter ${state}`} role="meter" aria-label=${title} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.min(100, Math.round(part * 100))}><span style=${{ width: `${Math.min(100, part * 100)}%` }}/>${budget.thresholds.filter(one => one <= 100).map(one => html`<i style=${{ left: `${one}%` }}/>`)}</div>
    <p class="soft">${percent(part)} · ${budget.thresholds.length ? t('told at {marks}', { marks: budget.thresholds.map(one => percent(one / 100)).join(', ') }) : t('nobody is told')}${part >= 1 && budget.hard_stop ? html` · <b class="bad">${t('questions are refused')}</b>` : ''}</p>
    ${edit && html`<div class="bar"><button class="btn" onClick=${() => edit(budget)}>${t('Change')}</button><${Sure} label=${t('Delete')} question=${t('Nothing is limited by it any more.')} act=${() => api.delete(`/v1/budgets/${budget.id}`).then(changed)}/></div>`}</li>`;
}

function Edit({ budget, bots, close, saved }) {
  const send = async ({ name, bot, period, unit, limit, thresholds, hard_stop }) => {
    const body = { name, period, unit, limit: Number(limit), thresholds: thresholds.split(/[\s,%]+/).filter(Boolean).map(Number), hard_stop: hard_stop === 'on' };
    if (budget.id) await api.patch(`/v1/budgets/${budget.id}`, body);
    else await api.post('/v1/budgets', { ...body, bot_profile_id: bot || null });
    tell(t('Saved.'));
    saved();
  };
  const option = (value, label, of) => html`<option value=${value} selected=${value === of}>${label}</option>`;
  return html`<${Dialog} title=${budget.id ? t('Change the budget') : t('New budget')} close=${close}><${Form} send=${send} action=${t('Save')}>
    <${Field} label=${t('Name')}><input class="f" name="name" maxlength="255" defaultValue=${budget.name}/></>
    ${!budget.id && html`<${Field} label=${t('Bot')} of="bot_profile_id"><select class="f" name="bot"><option value="">${t('All bots')}</option>${bots.map(bot => option(bot.id, bot.name))}</select></>`}
    <div class="pair"><${Field} label=${t('Limit')}><input class="f" name="limit" type="number" min="0" step="any" defaultValue=${budget.limit} required/></>
      <${Field} label=${t('In')}><select class="f" name="unit">${option('usd', 'US-$', budget.unit)}${option('tokens', t('Tokens'), budget.unit)}</select></></div>
    <${Field} label=${t('Counted anew')}><select class="f" name="period">${option('month', t('every month'), budget.period)}${option('day', t('every day'), budget.period)}</select></>
    <${Field} label=${t('Tell at, in percent')} hint=${t('Each is an event usage.threshold, which a webhook can carry.')}><input class="f" name="thresholds" inputmode="numeric" defaultValue=${budget.thresholds.join(', ')}/></>
    <${Check} name="hard_stop" label=${t('Refuse questions once it is used up')} defaultChecked=${budget.hard_stop}/></></>`;
}

export default function Budgets() {
  const budgets = useApi('/v1/budgets', { every: 10_000 });
  const bots = useApi('/v1/bot-profiles');
  const asked = params.value.get('edit');
  if (!budgets.data || !bots.data) return html`<${Waiting} error=${budgets.error ?? bots.error} reload=${budgets.reload}/>`;
  const names = new Map(bots.data.map(bot => [bot.id, bot.name]));
  const may = session.value.user.role === 'owner';
  const editing = may && (asked === 'new' ? NEW : budgets.data.find(one => one.id === asked));
  const close = () => set({ edit: '' });
  const saved = () => {
    close();
    budgets.reload();
  };
  return html`<${Head} title=${t('Budgets')} lead=${t('Days and months are those of UTC. What is spent is shown under Usage.')}><a class="btn" href=${href('/usage')}><${Icon} name="chart"/>${t('Usage')}</a>${may && html`<button class="btn go" onClick=${() => set({ edit: 'new' })}><${Icon} name="plus"/>${t('New budget')}</button>`}</>
    ${budgets.data.length === 0 ? html`<${Empty} title=${t('No budget yet')}><p>${t('A budget tells you in time, or stops questions that it does not hold.')}</p></>`
      : html`<ul class="budgets">${budgets.data.map(one => html`<${One} key=${one.id} budget=${one} bot=${names.get(one.bot_profile_id)} edit=${may && (it => set({ edit: it.id }))} changed=${budgets.reload}/>`)}</ul>`}
    ${editing && html`<${Edit} key=${asked} budget=${editing} bots=${bots.data} close=${close} saved=${saved}/>`}`;
}
