/** How a bot's sources are cut and embedded, what another way would cost, and how far it is. */

import { html, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { counted, language, moment, number, t, told } from '../lib/words.js';
import { Faults, Field, Sure, Waiting, tell } from './basics.js';

const STATES = { active: 'ready', queued: 'pending', building: 'processing', failed: 'error' };

const money = value => new Intl.NumberFormat(language.value, { style: 'currency', currency: 'USD', maximumFractionDigits: 4 }).format(value);
const price = ({ price_known, price_usd }) => (price_known ? (price_usd === 0 ? t('costs nothing') : money(price_usd)) : t('price not known'));
const said = settings => [settings.chunk_size ? t('{n} characters', { n: number(settings.chunk_size) }) : t('characters as set by the operator'), settings.chunk_overlap != null && t('{n} shared', { n: number(settings.chunk_overlap) }), settings.embedder ?? t('the built-in model')].filter(Boolean).join(' · ');

/** What the form says, as the API takes it: empty is null, which means the operator's default. */
const wish = form => {
  const { chunk_size: size, chunk_overlap: overlap, embedding_model: model } = Object.fromEntries(new FormData(form));
  return { chunk_size: size ? Number(size) : null, chunk_overlap: overlap === '' ? null : Number(overlap), embedding_model: model.trim() || null };
};

function Change({ bot, saved }) {
  const state = useSignal({});
  const estimate = async event => {
    event.preventDefault();
    const wanted = wish(event.currentTarget);
    state.value = { busy: true };
    try {
      state.value = { wanted, found: await api.post(`/v1/bot-profiles/${bot.id}/reindex/estimate`, wanted) };
    } catch (error) {
      state.value = { error };
    }
  };
  const apply = async () => {
    try {
      await api.patch(`/v1/bot-profiles/${bot.id}`, state.value.wanted);
    } catch (error) {
      state.value = { error };
      return;
    }
    tell(t('Saved. The index is made anew beside the old one.'));
    state.value = {};
    saved();
  };
  const { busy, error, found } = state.value;
  return html`<form class="form" onSubmit=${estimate} onInput=${() => found && (state.value = {})}><${Faults} error=${error}>
    <div class="pair"><${Field} label=${t('Characters of a passage, at most')}><input class="f" name="chunk_size" type="number" min="100" max="8000" defaultValue=${bot.chunk_size ?? ''} placeholder=${t('as set by the operator')}/></>
      <${Field} label=${t('Shared with its neighbour')}><input class="f" name="chunk_overlap" type="number" min="0" max="1000" defaultValue=${bot.chunk_overlap ?? ''} placeholder=${t('as set by the operator')}/></></div>
    <${Field} label=${t('Embedding model')} hint=${t('Empty: the built-in one, which needs no key.')}><input class="f mono" name="embedding_model" maxlength="100" defaultValue=${bot.embedding_model ?? ''} placeholder="text-embedding-3-small"/></></>
    ${found ? html`<div class="estimate" role="status">${found.needed ? html`<p><b>${price(found)}</b> <span class="soft">${counted(found.sources, '1 source', '{n} sources')} · ${counted(found.chunks, '1 passage', '{n} passages')} · ${t('{n} tokens', { n: number(found.tokens) })}</span></p><p class="soft">${t('The bot goes on answering from the old index until the other one is complete.')}</p><${Sure} label=${t('Make the index anew')} question=${price(found)} act=${apply} icon="refresh"/>`
      : html`<p>${t('Nothing would change.')}</p>`}</div>` : html`<div><button class="btn go" disabled=${busy}>${busy ? t('One moment…') : t('What would it cost?')}</button></div>`}</form>`;
}

export function Index({ bot, saved }) {
  const index = useApi(`/v1/bot-profiles/${bot.id}/index`, { every: 3000 });
  if (!index.data) return html`<${Waiting} error=${index.error} reload=${index.reload}/>`;
  const { state, building, settings, sources, chunks, switched_at, generation } = index.data;
  const retry = async () => {
    await api.post(`/v1/bot-profiles/${bot.id}/reindex/retry`);
    index.reload();
  };
  const part = building?.sources_total ? building.sources_done / building.sources_total : 0;
  return html`<div class="cols even"><section class="sec"><header><h2>${t('It answers from')}</h2></header><p><span class=${`st ${STATES[state]}`}>${t(`index ${state}`)}</span></p>
      <dl class="kv wide"><dt>${t('Generation')}</dt><dd>${number(generation)}${switched_at && html` <span class="soft">${t('since {time}', { time: moment(switched_at) })}</span>`}</dd><dt>${t('Sources')}</dt><dd>${number(sources)}</dd><dt>${t('Passages')}</dt><dd>${number(chunks)}</dd><dt>${t('Cut into')}</dt><dd>${said(settings)}</dd></dl>
      ${building && html`<div class="crawl"><p role="status">${t('Generation {n} is being made', { n: number(building.generation) })} <span class="soft">${t('{n} of {all} sources', { n: number(building.sources_done), all: number(building.sources_total) })} · ${said(building.settings)}</span></p>
        <div class="meter" role="meter" aria-label=${t('Sources that are done')} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(part * 100)}><span style=${{ width: `${part * 100}%` }}/></div>
        ${building.reason && html`<div class="problem" role="alert"><p>${told(building.reason)}</p>${building.failed_source_id && html`<a href=${`/dashboard/sources?open=${building.failed_source_id}`}>${t('Look at the source')}</a>`}<${Sure} label=${t('Try again')} question=${t('It begins anew.')} act=${retry} icon="refresh"/></div>`}</div>`}</section>
    <section class="sec"><header><h2>${t('Cut and embed otherwise')}</h2></header><${Change} key=${bot.updated_at} bot=${bot} saved=${() => { saved(); index.reload(); }}/></section></div>`;
}
