/** What the bots did, what it cost, and where they had nothing to say. */

import { html } from '../lib/kit.js';
import { mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { ago, language, number, t } from '../lib/words.js';
import { Head, Kpi, Waiting } from '../parts/basics.js';
import { Bars } from '../parts/chart.js';
import { Table } from '../parts/table.js';

const RANGES = [7, 30, 90];
/** Of the reader; the first choice for whose days are counted. */
const MINE = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
const ZONES = [...new Set([MINE, 'UTC', ...Intl.supportedValuesOf('timeZone')])];
const DAY_MS = 86_400_000;

const money = value => new Intl.NumberFormat(language.value, { style: 'currency', currency: 'USD', maximumFractionDigits: value < 1 ? 4 : 2 }).format(value);
const percent = value => new Intl.NumberFormat(language.value, { style: 'percent', maximumFractionDigits: 0 }).format(value);
const seconds = ms => `${new Intl.NumberFormat(language.value, { maximumFractionDigits: 2 }).format(ms / 1000)} s`;

/** Every day of the range, with a value for each name; days on which nothing happened are 0. */
function byDay(rows, range, zone, name, value) {
  // Counted back from today's date: a day of the zone may have 23 or 25 hours.
  const today = Date.parse(new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short' }).format(new Date()));
  const days = Array.from({ length: range }, (_, i) => new Date(today - (range - 1 - i) * DAY_MS).toISOString().slice(0, 10));
  const series = {};
  for (const row of rows) {
    const at = days.indexOf(row.date);
    for (const [key, amount] of Object.entries(value(row))) {
      series[name(row, key)] ??= days.map(() => 0);
      if (at >= 0) series[name(row, key)][at] += amount;
    }
  }
  return { days, series };
}

function Gaps() {
  const gaps = useApi('/v1/stats/unanswered');
  if (!gaps.data) return html`<${Waiting} error=${gaps.error} reload=${gaps.reload}/>`;
  if (gaps.data.length === 0) return html`<p class="soft">${t('None. Every question found something.')}</p>`;
  return html`<ul class="list">${gaps.data.slice(0, 20).map(gap => html`<li><a href=${href(`/chats/${gap.chat_id}`)}>${gap.question}</a><span class="soft">${ago(gap.asked_at)}${mayChange() && html` · <a href=${href('/sources', { add: '1', bot: gap.bot_profile_id })}>${t('Add source')}</a>`}</span></li>`)}</ul>`;
}

function Worst() {
  const worst = useApi('/v1/stats/sources/worst');
  if (!worst.data) return html`<${Waiting} error=${worst.error} reload=${worst.reload}/>`;
  if (worst.data.length === 0) return html`<p class="soft">${t('None. No disliked answer quoted a source.')}</p>`;
  return html`<ul class="list">${worst.data.slice(0, 10).map(source => html`<li><a href=${href('/sources', { open: source.source_id })}>${source.source_name ?? source.source_id}</a><span class="soft">${t('{n} disliked', { n: number(source.negative_count ?? 0) })}</span></li>`)}</ul>`;
}

export default function Usage() {
  const asked = Number(params.value.get('days'));
  const range = RANGES.includes(asked) ? asked : 30;
  const wanted = params.value.get('tz');
  const zone = ZONES.includes(wanted) ? wanted : MINE;
  const span = `days=${range}&tz=${encodeURIComponent(zone)}`;
  const usage = useApi(`/v1/stats/usage?${span}`, { every: 30_000 });
  const models = useApi(`/v1/stats/usage/by-model?${span}`);
  const cost = useApi(`/v1/stats/cost-estimate?${span}`);
  const feedback = useApi(`/v1/stats/feedback?${span}`);
  const trend = useApi(`/v1/stats/feedback/trend?${span}`);
  const latency = useApi(`/v1/stats/latency?days=${range}`);
  const all = [usage, models, cost, feedback, trend, latency];
  if (!all.every(one => one.data)) return html`<${Waiting} error=${all.find(one => one.error)?.error} reload=${() => all.forEach(one => one.reload())}/>`;
  const tokens = byDay(usage.data, range, zone, row => row.model, row => ({ all: row.total_tokens }));
  const votes = byDay(trend.data, range, zone, (_, key) => t(key === 'positive_count' ? 'Helpful' : 'Not helpful'), ({ positive_count, negative_count }) => ({ positive_count, negative_count }));
  // A stage that was never measured is absent.
  const took = latency.data.total;
  const judged = feedback.data.positive_count + feedback.data.negative_count;
  const columns = [
    { key: 'model', label: t('Model'), cell: row => html`<span class="mono">${row.model}</span>` },
    { key: 'request_count', label: t('Questions'), num: true, cell: row => number(row.request_count) },
    { key: 'total_tokens', label: t('Tokens'), num: true, cell: row => number(row.total_tokens) },
    { key: 'cost_usd', label: t('Cost'), num: true, cell: row => money(row.cost_usd) },
  ];
  const bots = [{ key: 'bot_name', label: t('Bot') }, ...columns];
  return html`<${Head} title=${t('Usage')}><div class="bar" role="group" aria-label=${t('Range')}>${RANGES.map(days => html`<button class=${`btn ${range === days ? 'on' : ''}`} aria-pressed=${range === days} onClick=${() => set({ days: String(days) })}>${t('{n} days', { n: days })}</button>`)}</div>
      <select class="f zone" aria-label=${t('Time zone of the days')} onChange=${event => set({ tz: event.target.value })}>${ZONES.map(name => html`<option value=${name} selected=${name === zone}>${name}</option>`)}</select><a class="btn" href=${href('/budgets')}>${t('Budgets')}</a></>
    <dl class="kpis"><${Kpi} label=${t('Answers')} value=${number(feedback.data.total_messages)}/>
      <${Kpi} label=${t('Helpful')} value=${judged ? percent(feedback.data.positive_count / judged) : '–'} note=${t('{n} rated', { n: number(judged) })}/>
      <${Kpi} label=${t('Half within')} value=${took ? seconds(took.p50_ms) : '–'} note=${took ? t('nine of ten within {time}', { time: seconds(took.p90_ms) }) : ''}/>
      <${Kpi} label=${t('Cost')} value=${money(cost.data.total_cost_usd)} note=${t('{sum} a month, at this rate', { sum: money(cost.data.projected_monthly_usd) })}/></dl>
    <section class="sec"><header><h2>${t('Tokens per day, by model')}</h2></header>${usage.data.length ? html`<${Bars} ...${tokens} label=${t('Tokens per day, by model')}/>` : html`<p class="soft">${t('Nobody has asked anything yet.')}</p>`}</section>
    <div class="cols"><section class="sec"><header><h2>${t('Questions without a source')}</h2><a href=${href('/unanswered')}>${t('All')}</a></header><${Gaps}/></section><section class="sec"><header><h2>${t('Sources of disliked answers')}</h2></header><${Worst}/></section></div>
    <section class="sec"><header><h2>${t('Ratings per day')}</h2></header>${judged ? html`<${Bars} ...${votes} label=${t('Ratings per day')}/>` : html`<p class="soft">${t('No rating yet.')}</p>`}</section>
    <div class="cols even"><section class="sec"><header><h2>${t('By model')}</h2></header><${Table} rows=${models.data.map(row => ({ ...row, id: row.model }))} columns=${columns} caption=${t('By model')}/></section>
    <section class="sec"><header><h2>${t('By bot')}</h2></header><${Table} rows=${cost.data.by_bot.map(row => ({ ...row, id: row.bot_profile_id + row.model }))} columns=${bots} caption=${t('By bot')}/></section></div>`;
}
