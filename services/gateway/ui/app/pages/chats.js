/** What was asked, and what was answered. */

import { Icon, html, useEffect, useRef, useSignal } from '../lib/kit.js';
import { api, explained, mayChange, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { ago, moment, number, t } from '../lib/words.js';
import { Empty, Head, Waiting, tell } from '../parts/basics.js';
import { AddToSuite } from '../parts/add_to_suite.js';
import { Cited } from '../parts/cited.js';
import { Download } from '../parts/download.js';
import { Bots } from '../parts/pick.js';
import { Replay } from '../parts/replay.js';
import { Table } from '../parts/table.js';
import { markdown } from '../../widget/markdown.js';

const SHOWN = 100;

const Export = ({ path, name }) => ['json', 'csv'].map(kind => html`<${Download} path=${`${path}${path.includes('?') ? '&' : '?'}format=${kind}`} name=${`${name}.${kind}`} label=${kind.toUpperCase()}/>`);

function List() {
  const bot = params.value.get('bot') ?? '';
  const filter = params.value.get('q') ?? '';
  const bots = useApi('/v1/bot-profiles');
  const query = bot ? `&bot_profile_id=${encodeURIComponent(bot)}` : '';
  const chats = useApi(`/v1/chat?limit=${SHOWN}${query}`, { every: 5000 });
  if (!bots.data || !chats.data) return html`<${Waiting} error=${bots.error ?? chats.error} reload=${chats.reload}/>`;
  const names = new Map(bots.data.map(one => [one.id, one.name]));
  const columns = [
    { key: 'title', label: t('Question'), cell: chat => html`<a href=${href(`/chats/${chat.id}`)}>${chat.title || t('(empty)')}</a>${chat.replayed_chat_id && html` <span class="tag">${t('replay')}</span>`}`, text: chat => [chat.title, chat.replayed_chat_id && t('replay')].filter(Boolean).join(' ') },
    { key: 'bot', label: t('Bot'), text: chat => names.get(chat.bot_profile_id), sort: chat => names.get(chat.bot_profile_id), cell: chat => names.get(chat.bot_profile_id) },
    { key: 'message_count', label: t('Messages'), num: true, cell: chat => number(chat.message_count) },
    { key: 'tokens', label: t('Tokens'), num: true, sort: chat => chat.total_prompt_tokens + chat.total_completion_tokens, cell: chat => number(chat.total_prompt_tokens + chat.total_completion_tokens) },
    { key: 'created_at', label: t('Begun'), sort: chat => Date.parse(chat.created_at), cell: chat => html`<span class="soft">${ago(chat.created_at)}</span>` },
  ];
  return html`<${Head} title=${t('Chats')} lead=${chats.data.length === SHOWN ? t('The latest {n}.', { n: SHOWN }) : ''}><${Export} path=${`/v1/chat/export?limit=1000${query}`} name="chats"/></>
    <div class="bar"><input class="f" type="search" value=${filter} placeholder=${t('Filter…')} aria-label=${t('Filter chats')} onInput=${event => set({ q: event.target.value })}/>
      <${Bots} bots=${bots.data} chosen=${bot}/></div>
    ${chats.data.length === 0 ? html`<${Empty} title=${t('Nobody has asked anything yet')}><p>${t('Put a bot on your website, or try it yourself.')}</p><a class="btn go" href=${href('/bots')}>${t('Bots')}</a></>` : html`<${Table} rows=${chats.data} columns=${columns} caption=${t('Chats')} filter=${filter}/>`}`;
}

/** `add` takes the turn of an answer into a suite, `again` asks it once more; for whoever may. */
function Message({ message, chat, add, again }) {
  const ref = useRef();
  const vote = useSignal(message.feedback);
  const mine = message.role === 'user';
  useEffect(() => {
    if (mine) ref.current.textContent = message.content;
    else markdown(ref.current)(message.content);
  }, [message.content]);
  const give = async value => {
    const given = vote.value === value ? null : value;
    try {
      await api.patch(`/v1/chat/${chat}/messages/${message.id}/feedback`, { feedback: given });
      vote.value = given;
    } catch (error) {
      tell(explained(error));
    }
  };
  return html`<article class=${`message ${message.role}`}><header><b>${mine ? t('Visitor') : t('Bot')}</b><time class="soft" datetime=${message.created_at}>${moment(message.created_at)}</time>${message.draft && html`<span class="tag">${t('unsaved draft')}</span>`}
    ${(again || !mine) && html`<span class="votes">${again && html`<button class="btn" type="button" onClick=${again}><${Icon} name="play"/>${t('Replay')}</button>`}${add && html`<button class="btn" type="button" onClick=${() => add(vote.value)}><${Icon} name="flask"/>${t('Add to a suite')}</button>`}${!mine && [['up', 'positive', t('Helpful')], ['down', 'negative', t('Not helpful')]].map(([icon, value, label]) => html`<button class=${`btn icon ${vote.value === value ? 'on' : ''}`} aria-label=${label} aria-pressed=${vote.value === value} onClick=${() => give(value)}><${Icon} name=${icon}/></button>`)}</span>`}</header>
    <div class="prose" ref=${ref}/>
    ${!mine && html`<${Cited} message=${message}/>`}
    ${!mine && add && vote.value === 'negative' && html`<p class="soft">${t('As a question of a suite it shows whether a change helps.')}</p>`}</article>`;
}

function One({ id }) {
  const chat = useApi(`/v1/chat/${id}`);
  const messages = useApi(`/v1/chat/${id}/messages`, { every: 5000 });
  const adding = useSignal(null);
  if (!chat.data || !messages.data) return html`<${Waiting} error=${chat.error ?? messages.error} reload=${chat.reload}/>`;
  const asked = new Map(messages.data.filter(one => one.role === 'user').map(one => [one.turn_id, one.content]));
  const answered = new Set(messages.data.filter(one => one.role !== 'user').map(one => one.turn_id));
  const past = message => ({ bot: chat.data.bot_profile_id, turn: message.turn_id, question: asked.get(message.turn_id), ...(message.role !== 'user' && { answer: message.content, refused: message.refusal }) });
  const may = message => mayChange() && asked.has(message.turn_id);
  // An answer that somebody disliked, or that was none, is nothing to expect again.
  const take = message => vote => (adding.value = { ...past(message), ...((vote === 'negative' || message.refusal) && { answer: undefined }) });
  const taking = message => message.role !== 'user' && may(message) && take(message);
  // Where there is no answer, its question is asked again.
  const asking = message => (message.role !== 'user' || !answered.has(message.turn_id)) && may(message) && (() => set({ replay: message.turn_id }));
  const wanted = params.value.get('replay');
  const replayed = wanted && messages.data.filter(one => one.turn_id === wanted && may(one)).map(past).at(-1);
  return html`<${Head} title=${chat.data.title || t('(empty)')} lead=${html`${moment(chat.data.created_at)} · <a href=${href(`/bots/${chat.data.bot_profile_id}`)}>${t('Bot')}</a>${chat.data.replayed_chat_id && html` · <a href=${href(`/chats/${chat.data.replayed_chat_id}`)}>${t('the chat that it replays')}</a>`}`}><${Export} path=${`/v1/chat/${id}/export`} name=${`chat-${id}`}/></>
    <div class="transcript">${messages.data.map(message => html`<${Message} key=${message.id} chat=${id} message=${message} add=${taking(message)} again=${asking(message)}/>`)}</div>
    ${replayed && html`<${Replay} past=${replayed} add=${answer => (adding.value = { ...replayed, answer })} close=${() => set({ replay: null })}/>`}
    ${adding.value && html`<${AddToSuite} asked=${adding.value} close=${() => (adding.value = null)}/>`}`;
}

export default function Chats({ id }) {
  return id ? html`<${One} id=${id}/>` : html`<${List}/>`;
}
