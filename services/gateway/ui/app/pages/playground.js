/** Variants of a bot, tried over a suite of questions: what is better, and how sure that is. */

import { Icon, html, useEffect, useSignal } from '../lib/kit.js';
import { api, call, session, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { counted, moment, number, t } from '../lib/words.js';
import { Check, Empty, Faults, Field, Head, Waiting } from '../parts/basics.js';
import { DraftFields, IndexFields, brought, settingsOf } from '../parts/draft_fields.js';
import { Questions, Suites } from '../parts/suite.js';
import { Comparison, price } from '../parts/comparison.js';
import { letter } from '../parts/variants.js';
import { Versions } from '../parts/versions.js';
import { frames } from '../../widget/sse.js';

const MOST = 4;

/** The body of a run from what stands in the fields. */
const planOf = (suite, variants, judged) => ({
  suite_id: suite,
  judged,
  variants: variants.map((fields, n) => ({ ...settingsOf(fields), title: fields.title || (n ? t('Variant {letter}', { letter: letter(n) }) : t('As published')) })),
});

function Variant({ n, fields, bot, change, remove }) {
  const at = `variants.${n}.`;
  return html`<fieldset class="variant"><legend>${letter(n)}</legend>
    <${Field} label=${t('Title')} of=${`${at}title`}><input class="f" maxlength="100" value=${fields.title ?? ''} placeholder=${n ? t('Variant {letter}', { letter: letter(n) }) : t('As published')} onInput=${event => change({ ...fields, title: event.target.value })}/></>
    <${DraftFields} at=${at} fields=${fields} bot=${bot} change=${change}/>
    <${IndexFields} at=${at} fields=${fields} bot=${bot} change=${change}/>
    ${n > 0 && html`<button class="btn fit" type="button" onClick=${remove}><${Icon} name="trash"/>${t('Remove')}</button>`}</fieldset>`;
}

function Bench({ bot, suite, ran }) {
  const variants = useSignal([{}, brought(bot.id) ?? {}]);
  const judged = useSignal(false);
  const state = useSignal({});
  const base = `/v1/bot-profiles/${bot.id}/playground`;
  const plan = () => planOf(suite, variants.value, judged.value);
  const asking = work => async event => {
    event?.preventDefault();
    if (state.value.busy) return;
    state.value = { busy: true };
    try {
      state.value = (await work()) ?? {};
    } catch (error) {
      state.value = { error };
    }
  };
  const estimate = asking(async () => ({ estimate: await api.post(`${base}/estimate`, plan()) }));
  const run = asking(async () => {
    const response = await call('POST', `${base}/run`, { ...plan(), stream: true });
    for await (const { event, data } of frames(response)) {
      if (event === 'run') state.value = { busy: true, run: data, done: 0 };
      else if (event === 'result') state.value = { ...state.value, done: Math.min(state.value.done + 1, state.value.run.results_expected) };
      else if (event === 'done') {
        ran(data.id);
        if (data.status === 'cancelled' && data.indexes.length && data.reason !== 'cancelled') throw Object.assign(new Error('cancelled'), { shown: data.reason });
      }
      else if (event === 'error') throw Object.assign(new Error(data.code), { shown: data.detail });
    }
  });
  const keys = event => event.key === 'Enter' && event.shiftKey && run(event);
  const put = (n, fields) => (variants.value = variants.value.map((one, i) => (i === n ? fields : one)));
  const { busy, error, run: running, done, estimate: told } = state.value;
  return html`<form class="bench" onSubmit=${run} onKeyDown=${keys}><${Faults} error=${error}><div class="variants">${variants.value.map((fields, n) => html`<${Variant} key=${n} n=${n} fields=${fields} bot=${bot} change=${it => put(n, it)} remove=${() => (variants.value = variants.value.filter((_, i) => i !== n))}/>`)}</div>
    <div class="bar"><button class="btn" type="button" disabled=${variants.value.length >= MOST} onClick=${() => (variants.value = [...variants.value, {}])}><${Icon} name="plus"/>${t('Add a variant')}</button>
      <${Check} of="judged" label=${t('Have a model judge')} checked=${judged.value} onChange=${event => (judged.value = event.target.checked)}/>
      <button class="btn" type="button" disabled=${busy} onClick=${estimate}>${t('What would it cost?')}</button>
      <button class="btn go" disabled=${busy}><${Icon} name="play"/>${t('Ask all')}</button>
      ${running && busy && html`<button class="btn" type="button" onClick=${() => api.delete(`${base}/runs/${running.id}`)}>${t('Cancel')}</button>`}</div>
    ${told && html`<p class="estimate" role="status">${t('{answers} answers, {calls} calls of a model, {price}', { answers: told.answers, calls: told.calls, price: price(told.cost_usd) })}${told.indexes > 0 && `, ${t('{n} passages to embed', { n: number(told.chunks) })}`}</p>`}
    ${running && html`<p role="status">${running.indexing && done === 0 ? t('An index is made for the variants…') : t('{n} of {all} answers', { n: done, all: running.results_expected })}</p>`}
    </></form>`;
}

function One({ bot, changed }) {
  const suites = useApi(`/v1/bot-profiles/${bot.id}/suites`);
  const runs = useApi(`/v1/bot-profiles/${bot.id}/playground/runs?limit=20`);
  const wanted = params.value.get('suite');
  const suite = suites.data?.find(one => one.id === wanted) ?? suites.data?.[0];
  const run = params.value.get('run') ?? runs.data?.find(one => one.suite_id === suite?.id)?.id;
  const may = session.value.user.role !== 'member';
  if (!suites.data || !runs.data) return html`<${Waiting} error=${suites.error ?? runs.error} reload=${suites.reload}/>`;
  const mine = runs.data.filter(one => one.suite_id === suite?.id);
  const ran = id => {
    set({ run: id });
    runs.reload();
  };
  const anew = () => {
    changed();
    suites.reload();
  };
  return html`<${Suites} bot=${bot} suites=${suites.data} chosen=${suite} may=${may} changed=${anew}/>
    ${!suite ? html`<${Empty} title=${t('No suite yet')}><p>${t('A suite holds the questions that a good answer must be found for.')}</p></>` : html`
      <${Questions} key=${suite.id} bot=${bot} suite=${suite} may=${may} changed=${suites.reload}/>
      ${may && suite.questions > 0 && html`<section class="sec"><header><h2>${t('Variants')}</h2></header><${Bench} bot=${bot} suite=${suite.id} ran=${ran}/></section>`}
      ${mine.length > 0 && html`<section class="sec"><header><h2>${t('Runs')}</h2><select class="f r" aria-label=${t('Run')} onChange=${event => set({ run: event.target.value })}>${mine.map(one => html`<option value=${one.id} selected=${one.id === run}>${moment(one.started_at)} · ${counted(one.variants.length, '1 variant', '{n} variants')} · ${t(one.status)}</option>`)}</select></header>
        <${Comparison} key=${run} bot=${bot.id} run=${run} publish=${may && { bot, suites: suites.data, published: changed }}/></section>`}`}
    <section class="sec"><header><h2>${t('Versions')}</h2></header><${Versions} key=${bot.version} bot=${bot} changed=${changed}/></section>`;
}

export default function Playground() {
  const bots = useApi('/v1/bot-profiles');
  const wanted = params.value.get('bot');
  useEffect(() => {
    if (bots.data?.length && !wanted) set({ bot: bots.data[0].id });
  }, [bots.data]);
  if (!bots.data) return html`<${Waiting} error=${bots.error} reload=${bots.reload}/>`;
  const bot = bots.data.find(one => one.id === wanted) ?? bots.data[0];
  return html`<${Head} title=${t('Playground')} lead=${t('Better by proof: the same questions, answered in up to four ways.')}>
      ${bot && html`<select class="f" aria-label=${t('Bot')} onChange=${event => set({ bot: event.target.value, suite: null, run: null })}>${bots.data.map(one => html`<option value=${one.id} selected=${one.id === bot.id}>${one.name || t('(unnamed)')}</option>`)}</select>`}</>
    ${bot ? html`<${One} key=${bot.id} bot=${bot} changed=${bots.reload}/>` : html`<${Empty} title=${t('No bot yet')}><p>${t('Name a web page, and in a minute a bot answers from it.')}</p><a class="btn go" href=${href('/start')}>${t('Set up a bot')}</a></>`}`;
}
