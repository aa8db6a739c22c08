/** How the installation does, and what the workspace has in it. */

import { html } from '../lib/kit.js';
import { useApi } from '../lib/api.js';
import { href } from '../lib/router.js';
import { counted, number, t } from '../lib/words.js';
import { Kpi, Status, Waiting } from './basics.js';
import { Table } from './table.js';

const EVERY_MS = 10_000;
const PARTS = ['postgres', 'qdrant', 'nats'];

const HOUR = 3600;
const running = seconds => (seconds < 2 * HOUR ? t('{n} minutes', { n: number(Math.round(seconds / 60)) }) : t('{n} hours', { n: number(Math.round(seconds / HOUR)) }));

function Parts({ of }) {
  const rows = [...PARTS.map(name => [name, of[name]]), ...Object.entries(of.services)];
  return html`<ul class="list health">${rows.map(([name, part]) => html`<li><b>${name}</b><span><${Status} is=${part.status === 'ok' ? 'ready' : 'error'}/> <span class="soft">${[part.detail, part.version, part.latency_ms != null && `${number(Math.round(part.latency_ms))} ms`].filter(Boolean).join(' · ')}</span></span></li>`)}</ul>`;
}

/** How far what is shown is behind what has happened. */
function Lag({ of }) {
  const behind = of.filter(model => model.lag > 0);
  if (behind.length === 0) return html`<p class="soft">${t('Everything that happened is shown.')}</p>`;
  return html`<h3>${t('Not shown yet')}</h3><ul class="list">${behind.map(model => html`<li><span class="mono">${model.service} ${model.name}</span><span>${counted(model.lag, '1 event', '{n} events')}</span></li>`)}</ul>`;
}

function Contents({ of }) {
  if (of.error) return html`<p class="soft">${t('It cannot be told at the moment.')}</p>`;
  const states = Object.entries(of.sources_by_status).filter(([, n]) => n);
  return html`<dl class="kpis"><${Kpi} label=${t('Sources')} value=${number(states.reduce((sum, [, n]) => sum + n, 0))} note=${states.map(([name, n]) => `${number(n)} ${t(name)}`).join(', ')}/>
    <${Kpi} label=${t('Passages')} value=${number(of.total_chunks)}/><${Kpi} label=${t('Chats')} value=${number(of.total_chats)} note=${t('{n} messages', { n: number(of.total_messages) })}/>
    <${Kpi} label=${t('Tokens')} value=${number(of.total_prompt_tokens + of.total_completion_tokens)}/></dl>`;
}

function Bots({ of }) {
  if (of.error || of.length === 0) return null;
  const columns = [
    { key: 'bot_name', label: t('Bot'), cell: bot => html`<a href=${href(`/bots/${bot.bot_profile_id}`)}>${bot.bot_name || t('(unnamed)')}</a>` },
    { key: 'model', label: t('Model'), cell: bot => html`<span class="mono">${bot.model}</span>` },
    { key: 'ready_sources', label: t('Sources that are ready'), num: true, cell: bot => t('{n} of {all}', { n: number(bot.ready_sources), all: number(bot.source_count) }) },
    { key: 'total_chunks', label: t('Passages'), num: true, cell: bot => number(bot.total_chunks) },
  ];
  return html`<${Table} rows=${of.map(bot => ({ ...bot, id: bot.bot_profile_id }))} columns=${columns} caption=${t('Bots')}/>`;
}

export function Health() {
  const health = useApi('/v1/system/health/detailed', { every: EVERY_MS });
  const { data } = health;
  return html`<section class="sec"><header><h2>${t('How everything does')}</h2>${data && html`<span class="r soft">${t('up for {time}', { time: running(data.uptime_seconds) })} · Python ${data.python_version}</span>`}</header>
    ${data ? html`<${Contents} of=${data.db_stats}/><div class="cols even"><div><${Parts} of=${data}/><${Lag} of=${data.read_models}/></div><div><${Bots} of=${data.bot_sources}/></div></div>` : html`<${Waiting} error=${health.error} reload=${health.reload}/>`}</section>`;
}
