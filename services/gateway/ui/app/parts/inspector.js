/** What a bot would answer from, and why: every passage with its scores and its place in each ranking. */

import { html, useEffect, useRef, useSignal } from '../lib/kit.js';
import { useAgain } from '../lib/again.js';
import { api, mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { language, number, t } from '../lib/words.js';
import { Empty, Field, Form, Kpi, Waiting } from './basics.js';

/** What begins lower than this share of the window is not taken for seen. */
const SEEN = 0.6;
const LIMITS = [5, 10, 20, 50];
const VERDICTS = { grounded: 'it would answer', below_floor: 'too weak: it would refuse', nothing_found: 'nothing found' };

const decimal = value => (value == null ? '–' : new Intl.NumberFormat(language.value, { maximumFractionDigits: 3 }).format(value));
const percent = value => new Intl.NumberFormat(language.value, { style: 'percent', maximumFractionDigits: 0 }).format(value);

/** Words of the question are marked in a passage, as a reader would look for them. */
function Marked({ text, query }) {
  const words = query.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? [];
  return text.split(/([\p{L}\p{N}]+)/u).map(piece => (words.some(word => piece.length > 3 && piece.toLowerCase().startsWith(word)) ? html`<mark>${piece}</mark>` : piece));
}

/** A part of the evidence, as a bar from 0 to 1 and its number. */
const Part = ({ label, value }) => html`<div><dt>${label}</dt><dd>${decimal(value)}<span class="bit" aria-hidden="true"><span style=${{ width: `${Math.max(0, Math.min(1, value ?? 0)) * 100}%` }}/></span></dd></div>`;

function Passage({ passage, query, floor }) {
  const used = passage.n != null;
  return html`<li class=${used ? 'hit used' : 'hit'}><header><b>${passage.rank}.</b> <a href=${href('/sources', { open: passage.source_id, part: 'passages' })}>${passage.source_name}</a>
      <span class="soft">${[passage.heading, passage.language, passage.authority].filter(Boolean).join(' · ')}</span>${used ? html`<span class="tag">${t('given to the model as [{n}]', { n: passage.n })}</span>` : html`<span class="soft">${t('left out')}</span>`}</header>
    <blockquote><${Marked} text=${passage.text} query=${query}/></blockquote>
    <dl class="parts"><${Part} label=${t('Evidence')} value=${passage.evidence}/><${Part} label=${t('Score')} value=${passage.score}/><${Part} label=${t('Similarity')} value=${passage.similarity}/><${Part} label=${t('Likeness')} value=${passage.likeness}/><div><dt>${t('Words')}</dt><dd>${decimal(passage.lexical)}</dd></div><${Part} label=${t('Words covered')} value=${passage.coverage}/>
      <div><dt>${t('By meaning')}</dt><dd>${passage.dense_rank ? t('place {n}', { n: passage.dense_rank }) : '–'}</dd></div><div><dt>${t('By words')}</dt><dd>${passage.lexical_rank ? t('place {n}', { n: passage.lexical_rank }) : '–'}</dd></div>
      ${passage.evidence < floor && html`<div><dt>${t('Floor')}</dt><dd class="bad">${t('below {n}', { n: decimal(floor) })}</dd></div>`}</dl></li>`;
}

export function Inspector({ bot }) {
  const sources = useApi(`/v1/sources?bot_profile_id=${bot}`);
  const found = useSignal(null);
  const error = useSignal(null);
  const results = useRef();
  const asked = params.value.get('q') ?? '';
  const look = async ({ query, limit, source, language: spoken }) => {
    const body = { query, limit: Number(limit), ...(source && { source_ids: [source] }), ...(spoken && { language: spoken }) };
    found.value = await api.post(`/v1/bot-profiles/${bot}/retrieve`, body);
    error.value = null;
    set({ q: query });
  };
  // A link that carries a question shows its answer at once.
  const open = () => {
    look({ query: asked, limit: 5 }).catch(failed => (error.value = failed));
  };
  useAgain(error.value, open);
  const linked = useRef(Boolean(asked));
  useEffect(() => {
    if (linked.current) open();
  }, []);
  useEffect(() => {
    // On a phone the form fills the screen, and what was found would not be seen.
    if (results.current?.getBoundingClientRect().top > innerHeight * SEEN) results.current.scrollIntoView({ block: 'start' });
  }, [found.value]);
  const { value } = found;
  return html`<p class="soft measure">${t('See which passages a question finds, and why. No model is asked, and nothing is spent.')}</p>
    <${Form} send=${look} action=${t('Look')} wide><${Field} label=${t('Question')}><input class="f" name="query" maxlength="32000" defaultValue=${asked} required/></>
      <div class="bar wishes"><${Field} label=${t('Passages')}><select class="f" name="limit">${LIMITS.map(n => html`<option value=${n}>${n}</option>`)}</select></>
      <${Field} label=${t('Source')} of="source_ids"><select class="f" name="source"><option value="">${t('all')}</option>${(sources.data ?? []).map(one => html`<option value=${one.id}>${one.name}</option>`)}</select></>
      <${Field} label=${t('Language')}><select class="f" name="language"><option value="">${t('all')}</option><option value="en">English</option><option value="de">Deutsch</option></select></></div></>
    ${linked.current && !value && html`<${Waiting} error=${error.value} reload=${open}/>`}
    ${value && html`<section class="found" ref=${results}><dl class="kpis"><${Kpi} label=${t('Verdict')} value=${html`<span class="verdict">${value.verdict === 'grounded' ? html`<mark>${t(VERDICTS.grounded)}</mark>` : t(VERDICTS[value.verdict] ?? value.verdict)}</span>`}/>
      <${Kpi} label=${t('Best evidence')} value=${percent(value.best)} note=${t('needed: {n}', { n: percent(value.floor) })}/><${Kpi} label=${t('Found within')} value=${`${number(Math.round(value.latency_ms))} ms`}/>
      <${Kpi} label=${t('Passages')} value=${number(value.passages.length)} note=${value.query_language}/></dl>
      ${value.searched.length > 0 && value.searched.join() !== value.query && html`<p class="soft">${t('Searched for:')} ${value.searched.map(one => html`<span class="tag">${one}</span> `)}</p>`}
      ${value.passages.length === 0 && html`<${Empty} title=${t('nothing found')}><p>${t('No passage of its sources fits. Add a source, or ask in other words.')}</p>${mayChange() && html`<a class="btn" href=${href('/sources', { add: '1', bot })}>${t('Add source')}</a>`}</>`}
      <ol class="hits">${value.passages.map(passage => html`<${Passage} key=${passage.chunk_id} passage=${passage} query=${value.query} floor=${value.floor}/>`)}</ol></section>`}`;
}
