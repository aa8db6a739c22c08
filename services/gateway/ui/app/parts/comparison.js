/** What came of a run: the variants in sum, and the questions on which they differ most. */

import { html, useEffect, useSignal } from '../lib/kit.js';
import { useApi } from '../lib/api.js';
import { language, number, t } from '../lib/words.js';
import { Waiting } from './basics.js';
import { Publish } from './publish.js';
import { called, decimal, letter, named, percent, shown, sureness } from './variants.js';
import { words } from './word_diff.js';

export const price = value => (value ? new Intl.NumberFormat(language.value, { style: 'currency', currency: 'USD', maximumFractionDigits: 4 }).format(value) : t('costs nothing'));

/** Columns of a table: what is told, and how. */
const FIGURES = [
  ['Score', one => decimal(one.score)],
  ['Source found', one => percent(one.source_found)],
  ['Words kept to', one => percent(one.phrases)],
  ['Refusals right', one => percent(one.refusal_correct)],
  ['From the sources', one => percent(one.grounded)],
  ['Rating', one => decimal(one.rating)],
  ['Tokens', one => number(one.prompt_tokens + one.completion_tokens)],
  ['Cost', one => price(one.cost_usd)],
  ['Median time', one => `${number(Math.round(one.latency_ms))} ms`],
];

/** What a variant had otherwise than the bot. Instructions are long, and of them it says only that they were others. */
function Settings({ of }) {
  const said = Object.entries(of).map(([field, value]) => (field === 'system_prompt' ? named(field) : `${named(field)}: ${shown(value, field)}`));
  return said.length > 0 && html`<div><small class="soft">${said.join(' · ')}</small></div>`;
}

function Sums({ told, publish }) {
  const against = new Map(told.differences.map(one => [one.variant, one]));
  const verdict = one => {
    const by = against.get(one.variant);
    if (!by) return t('the others are compared with it');
    return html`${sureness(by)}<br/><span class="soft">${t('better with a confidence of {n}', { n: percent(by.confidence) })} · ${t('{wins} better, {losses} worse', by)}</span>`;
  };
  return html`<div class="scroll"><table class="grid sums"><caption class="sr">${t('Variants')}</caption>
    <thead><tr><th scope="col">${t('Variant')}</th>${FIGURES.map(([label]) => html`<th scope="col" class="num">${t(label)}</th>`)}<th scope="col">${t('Against A')}</th></tr></thead>
    <tbody>${told.variants.map(one => html`<tr class=${one.variant === told.winner ? 'winner' : ''}><th scope="row"><span class="letter">${letter(one.variant)}</span> ${one.title}${one.variant === told.winner && html` <mark>${t('wins')}</mark>`}${one.failed > 0 && html` <span class="bad">${t('{n} failed', { n: one.failed })}</span>`}<${Settings} of=${told.run.variants[one.variant].changes}/>${publish && html`<${Publish} ...${publish} run=${told.run} variant=${one.variant} by=${against.get(one.variant)}/>`}</th>${FIGURES.map(([label, figure]) => html`<td class="num" data-label=${t(label)}>${figure(one)}</td>`)}<td class="against" data-label=${t('Against A')}>${verdict(one)}</td></tr>`)}</tbody></table></div>`;
}

/** By what it says, not by its chunk: an index that is made for a variant has chunks of its own. */
const saying = passage => `${passage.source_id} ${passage.snippet}`;

/** An answer, with the words marked that the first one does not have; and passages only it has. */
function Answer({ one, first }) {
  const others = new Set(first && first !== one ? first.passages.map(saying) : []);
  const said = first && first !== one ? words(first.answer, one.answer) : [[one.answer, false]];
  return html`<div class="answer"><h3>${letter(one.variant)} <span class="soft">${decimal(one.scores.score)} · ${number(Math.round(one.latency_ms))} ms</span></h3>
    ${one.ending === 'failed' ? html`<p class="bad">${one.detail}</p>` : html`<p>${said.map(([text, added]) => (added ? html`<ins>${text}</ins>` : text))}</p>`}
    ${one.rating_reason && html`<p class="soft">${t('Judge: {n} of 5', { n: one.scores.rating })} · ${one.rating_reason}</p>`}
    <ol class="passages">${one.passages.filter(passage => passage.n != null).map(passage => html`<li class=${others.size && !others.has(saying(passage)) ? 'only' : ''}>${passage.source_name} <span class="soft">${decimal(passage.evidence)}</span>${others.size > 0 && !others.has(saying(passage)) && html` <span class="tag">${t('only here')}</span>`}<br/><small class="soft">${passage.snippet}</small></li>`)}</ol></div>`;
}

function Question({ asked, results }) {
  const open = useSignal(false);
  const mine = results.filter(one => one.question_id === asked.question_id).sort((a, b) => a.variant - b.variant);
  return html`<li><details onToggle=${event => (open.value = event.currentTarget.open)}><summary>${asked.question} <span class="soft">${asked.scores.map((score, n) => `${letter(n)} ${decimal(score)}`).join(' · ')}</span></summary>
    ${open.value && html`<div class="answers">${mine.map(one => html`<${Answer} one=${one} first=${mine[0]}/>`)}</div>`}</details></li>`;
}

/** `publish` is {bot, suites, published} for whoever may let the bot answer otherwise. */
export function Comparison({ bot, run, publish }) {
  const base = `/v1/bot-profiles/${bot}/playground/runs/${run}`;
  const going = useSignal(true);
  const told = useApi(`${base}/comparison`, { every: going.value ? 2000 : 0 });
  const results = useApi(`${base}/results`, { every: going.value ? 5000 : 0 });
  const status = told.data?.run.status;
  useEffect(() => {
    if (status && status !== 'running') {
      going.value = false;
      results.reload();
    }
  }, [status]);
  if (!told.data || !results.data) return html`<${Waiting} error=${told.error ?? results.error} reload=${told.reload}/>`;
  const { winner, variants, run: of } = told.data;
  const title = variants.find(one => one.variant === winner)?.title;
  return html`<p class="verdict" role="status">${of.status === 'running' ? t('{n} of {all} answers', { n: of.results, all: of.results_expected }) : winner == null ? t('Nothing is proven: no significant difference.') : html`<mark>${t('{variant} wins.', { variant: called(winner, title) })}</mark>`}</p>
    <${Sums} told=${told.data} publish=${publish}/>
    <ol class="compared">${told.data.questions.map(one => html`<${Question} key=${one.question_id} asked=${one} results=${results.data}/>`)}</ol>`;
}
