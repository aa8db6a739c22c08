/** A past turn, asked once more with a draft of the bot: what it says instead, and from what. */

import { Icon, html, useEffect, useRef, useSignal } from '../lib/kit.js';
import { api, call, useApi } from '../lib/api.js';
import { go } from '../lib/router.js';
import { number, t } from '../lib/words.js';
import { Choice, Dialog, Faults, Waiting } from './basics.js';
import { DraftFields, carry, settingsOf } from './draft_fields.js';
import { Passage } from './passage.js';
import { words } from './word_diff.js';
import { numbers } from '../../widget/cited.js';
import { follow } from '../../widget/sse.js';

/** What begins lower than this share of the window is not taken for seen. */
const SEEN = 0.6;
const NOTHING = { text: '', citations: null };

/** Ask again; what `follow` needs. The same key for every attempt: no model is paid twice for a question whose answer got lost. */
function asking(turn, body) {
  const key = crypto.randomUUID?.() ?? String(Math.random());
  return {
    open: signal => call('POST', `/v1/chat/turns/${turn}/replay`, { ...body, stream: true }, { signal, headers: { 'idempotency-key': key } }),
    reopen: ({ turn: begun, last, signal }) => call('GET', `/v1/chat/turns/${begun}/stream`, undefined, { signal, headers: last === undefined ? {} : { 'last-event-id': last } }),
  };
}

/** An answer after one more event of its stream. */
function after(answer, { event, data }) {
  if (event === 'turn') return { ...answer, turn: data.turn_id, former: data.former };
  if (event === 'citations') return { ...answer, citations: data.items };
  if (event === 'delta') return { ...answer, text: answer.text + data.content };
  if (event === 'reset') return { ...answer, text: '' };
  if (event === 'refused') return { ...answer, refused: true };
  if (event === 'done') return { ...answer, citations: answer.citations ?? [], ended: true, usage: data.usage, grounded: data.grounded, stopped: data.stopped };
  return answer;
}

/** Whether two citations are of the same passage: an index that was made anew has other chunks, with the same text. */
const alike = (one, other) => one.chunk_id === other.chunk_id || ['source_id', 'document_id', 'revision', 'start', 'end'].every(name => one[name] === other[name]);
const among = (citation, others) => others.some(other => alike(citation, other));

const MARKS = { ins: text => html`<ins>${text}</ins>`, del: text => html`<del>${text}</del>` };

/** One of two answers; what the other one lacks of words and passages is marked. */
function Answer({ title, notes, one, other, mark }) {
  const said = other ? words(other.text, one.text) : [[one.text, false]];
  const theirs = other?.citations;
  const quoted = numbers(one.text);
  return html`<article class="answer"><h3>${title} <span class="soft">${notes.filter(Boolean).join(' · ')}</span></h3>
    ${one.error ? html`<p class="bad">${one.error}</p>` : html`<p class="said">${said.map(([text, own]) => (own ? MARKS[mark](text) : text))}</p>`}
    ${one.citations?.length === 0 && html`<p class="soft">${t('It was given no passage.')}</p>`}
    ${one.citations?.length > 0 && html`<ol class="passages">${one.citations.map(citation => html`<${Passage} key=${citation.citation_id} of=${citation} only=${theirs && !among(citation, theirs)} spare=${one.text && !quoted.has(citation.n)}/>`)}</ol>`}</article>`;
}

/** In a sentence, what became of the answer. */
function verdict(then, now) {
  const [before, given] = [then, now].map(one => one.citations ?? []);
  const same = given.filter(citation => among(citation, before)).length;
  const said = then.text === now.text ? t('The same answer, word by word.') : t('Another answer.');
  return `${said} ${t('Passages: {same} the same, {now} only now, {then} only then.', { same: number(same), now: number(given.length - same), then: number(before.length - same) })}`;
}

const grounds = (refused, grounded) => (refused ? t('refuses') : grounded ? t('from the sources') : t('not in the sources'));
const tokens = usage => usage && t('{n} tokens', { n: number(usage.total_tokens) });

/** What was recorded, as far as it is known: all of it once something was asked. */
function recorded({ answer, former }) {
  if (!former) return { text: answer ?? '', citations: null };
  return { text: former.answer ?? '', citations: former.citations, error: former.error, notes: [former.bot_version && t('Version {n}', { n: former.bot_version }), grounds(former.status === 'refused', former.grounded), tokens(former.usage)] };
}

function Outcome({ past, state }) {
  const ref = useRef();
  const { answer, busy } = state;
  const then = recorded({ answer: past.answer, former: answer?.former });
  useEffect(() => {
    // On a phone the fields fill the screen, and what is said would not be seen.
    if (answer && ref.current.getBoundingClientRect().top > innerHeight * SEEN) ref.current.scrollIntoView({ block: 'start' });
  }, [Boolean(answer)]);
  const ended = answer?.ended && !busy;
  const notes = ended ? [grounds(answer.refused, answer.grounded), tokens(answer.usage), answer.stopped && t('stopped')] : [];
  const both = ended && !then.error;
  return html`<section class="replayed" ref=${ref}><p class="verdict" role="status">${busy ? (answer?.text ? t('It answers…') : t('It looks for passages…')) : both && !answer.stopped ? html`<b>${verdict(then, answer)}</b>` : ''}</p>
    <div class="answers"><${Answer} title=${t('Then')} notes=${then.notes ?? []} one=${then} other=${both && answer} mark="del"/>
      ${answer && html`<${Answer} title=${t('With the draft')} notes=${notes} one=${answer} other=${both && then} mark="ins"/>`}</div></section>`;
}

/** `past` is {bot, turn, question, answer, refused} of a turn; `add` takes its question into a suite, with an answer that may be expected. */
export function Replay({ past, add, close }) {
  const bot = useApi(`/v1/bot-profiles/${past.bot}`);
  const fields = useSignal({});
  const passages = useSignal('today');
  const state = useSignal({});
  const listening = useRef();
  useEffect(() => () => listening.current?.abort(), []);
  const ask = async event => {
    event.preventDefault();
    if (state.value.busy) return;
    listening.current = new AbortController();
    let answer = NOTHING;
    state.value = { busy: true };
    try {
      const stream = asking(past.turn, { draft: settingsOf(fields.value), passages: passages.value });
      for await (const frame of follow({ ...stream, signal: listening.current.signal })) {
        if (frame.event === 'error') throw Object.assign(new Error(frame.data.code), { shown: frame.data.detail });
        answer = after(answer, frame);
        state.value = { busy: true, answer: answer.former && answer };
      }
      state.value = { answer };
    } catch (error) {
      state.value = { error };
    }
  };
  const keys = event => event.key === 'Enter' && event.shiftKey && ask(event);
  const { busy, answer, error } = state.value;
  const stop = () => api.delete(`/v1/chat/turns/${answer.turn}`).catch(failed => (state.value = { ...state.value, error: failed }));
  const prove = () => {
    carry(past.bot, fields.value);
    go('/playground', { bot: past.bot });
  };
  if (!bot.data) return html`<${Dialog} title=${t('Replay')} close=${close}><${Waiting} error=${bot.error} reload=${bot.reload}/></>`;
  const from = [['today', t('Those that are found today')], ['then', t('Those it was given then')]];
  return html`<${Dialog} title=${t('Replay')} close=${close} wide><blockquote class="asked">${past.question}</blockquote>
    <p class="soft measure">${t('The same question, after the same conversation, with settings that are not saved. Visitors see nothing of it.')}</p>
    <div class="replay"><form class="form" onSubmit=${ask} onKeyDown=${keys}><${Faults} error=${error}><${Choice} legend=${t('Passages to answer from')} of="passages" radios>${from.map(([value, label]) => html`<label class="check"><input type="radio" name="passages" checked=${passages.value === value} disabled=${value === 'then' && past.refused} onChange=${() => (passages.value = value)}/> ${label}</label>`)}
          ${past.refused && html`<small class="soft">${t('None were given then: the bot refused.')}</small>`}</>
        <${DraftFields} at="draft." fields=${fields.value} bot=${bot.data} change=${value => (fields.value = value)}/></>
        <div class="bar"><button class="btn go" disabled=${busy}><${Icon} name="play"/>${t('Ask again')}</button>${busy && answer && html`<button class="btn" type="button" onClick=${stop}>${t('Stop')}</button>`}</div></form>
      <div class="outcomes"><${Outcome} past=${past} state=${state.value}/>
        ${answer?.ended && !busy && html`<div class="bar"><button class="btn" type="button" onClick=${() => add(answer.refused ? undefined : answer.text)}><${Icon} name="flask"/>${t('Add to a suite')}</button>
          <button class="btn" type="button" onClick=${prove}><${Icon} name="external"/>${t('Open in the playground')}</button></div>`}</div></div></>`;
}
