/** What the conversation needs of a MiniRAG server, and what the browser keeps between pages. */

import { refusal } from './sse.js';

const RENEW_MS = 60_000;
/** A session is renewed when so little of it is left. */

/** A place in the browser for one conversation: `none`, `session` (this tab) or `local`. */
function keeper(kind, name) {
  let storage;
  try {
    storage = kind === 'local' ? localStorage : kind === 'none' ? undefined : sessionStorage;
  } catch {
    storage = undefined; // forbidden by the browser's settings
  }
  let kept = {};
  try {
    kept = JSON.parse(storage?.getItem(name) ?? '{}');
  } catch {
    // Somebody else's entry, or a broken one: begin anew.
  }
  return {
    get: () => kept,
    set(changes) {
      kept = { ...kept, ...changes };
      try {
        storage?.setItem(name, JSON.stringify(kept));
      } catch {
        // Full or forbidden: the conversation then ends with the page.
      }
    },
  };
}

/**
 * Opened with a public `key`, which is exchanged for sessions of a visitor, or with `token` and
 * `bot`. `authorization()` may be given instead by a page that has signed in its user.
 */
export class Connection {
  #origin;
  #key;
  #kept;
  #authorization;
  #bot;
  #session;
  #opening;
  #besides;

  /** `besides()` gives what else is sent with a question. */
  constructor({ origin, key, token, bot, authorization, besides, persist = 'session' }) {
    this.#origin = origin;
    this.#key = key;
    this.#bot = bot;
    this.#besides = besides;
    this.#kept = keeper(persist, `minirag:${key ?? bot}`);
    this.#authorization =
      authorization ?? (key ? () => this.#visitor() : () => Promise.resolve(`Bearer ${token}`));
  }

  get chat() {
    return this.#kept.get().chat;
  }

  /** What the server says about the bot. */
  async about() {
    if (this.#key) {
      await this.#visitor();
      return { ...this.#session.bot, look: this.#session.look };
    }
    const response = await this.#call('GET', `/v1/bot-profiles/${this.#bot}`);
    return response.ok ? response.json() : {};
  }

  /** Begin a turn: what `follow` needs. */
  send(message) {
    // The same key for every attempt: a question whose answer got lost is not asked twice.
    const key = crypto.randomUUID?.() ?? String(Math.random());
    const more = this.#besides?.();
    const body = () => ({
      bot_profile_id: this.#bot,
      message,
      stream: true,
      ...(this.chat && { chat_id: this.chat }),
      ...more,
    });
    const open = signal =>
      this.#call('POST', '/v1/chat', { signal, body: body(), headers: { 'idempotency-key': key } });
    return { open, reopen: this.#reopen };
  }

  /** Go on with a turn that a page before this one began. */
  resume(turn) {
    return { turn, reopen: this.#reopen };
  }

  #reopen = ({ turn, last, signal }) =>
    this.#call('GET', `/v1/chat/turns/${turn}/stream`, {
      signal,
      headers: last === undefined ? {} : { 'last-event-id': last },
    });

  /** The turn that was running when the page was left. */
  get unfinished() {
    return this.#kept.get().turn;
  }

  began({ turn_id: turn, chat_id: chat }) {
    this.#kept.set({ turn, chat });
  }

  /** Have the server end the answer where it is; true if it will. */
  async stop() {
    const turn = this.unfinished;
    if (!turn) return false;
    const response = await this.#call('DELETE', `/v1/chat/turns/${turn}`).catch(() => undefined);
    return Boolean(response?.ok);
  }

  ended() {
    this.#kept.set({ turn: undefined });
  }

  forget() {
    this.#kept.set({ turn: undefined, chat: undefined, citations: undefined });
  }

  /** What an answer rests on; the history of a chat does not tell it. */
  keepCitations(message, citations) {
    const own = citations.map(({ n, citation_id, title, url, score }) => ({ n, citation_id, title, url, score }));
    this.#kept.set({ citations: { ...this.#kept.get().citations, [message]: own } });
  }

  citationsOf(message) {
    return this.#kept.get().citations?.[message] ?? [];
  }

  async history() {
    if (!this.chat) return [];
    const response = await this.#call('GET', `/v1/chat/${this.chat}/messages`);
    // Somebody else's, or gone: what is asked from here on begins a chat of its own.
    if (response.status === 403 || response.status === 404) this.forget();
    return response.ok ? response.json() : [];
  }

  async feedback(message, feedback) {
    const path = `/v1/chat/${this.chat}/messages/${message}/feedback`;
    const response = await this.#call('PATCH', path, { body: { feedback } });
    if (!response.ok) throw await refusal(response);
    await response.text();
  }

  /** The passage behind a citation, with what stands around it. */
  async passage(citation) {
    const response = await this.#call('GET', `/v1/citations/${citation}`);
    if (!response.ok) throw await refusal(response);
    return response.json();
  }

  async #call(method, path, { body, headers, signal } = {}, again = true) {
    const response = await fetch(this.#origin + path, {
      method,
      signal,
      credentials: 'omit',
      headers: {
        ...headers,
        ...(body && { 'content-type': 'application/json' }),
        authorization: await this.#authorization(),
      },
      body: body && JSON.stringify(body),
    });
    if (response.status === 401 && this.#key && again) {
      this.#session = undefined;
      return this.#call(method, path, { body, headers, signal }, false);
    }
    return response;
  }

  async #visitor() {
    if (!this.#session || this.#session.until - Date.now() < RENEW_MS) {
      // Several requests at a time share one renewal.
      this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
      await this.#opening;
    }
    return `Bearer ${this.#session.token}`;
  }

  async #open() {
    const before = this.#kept.get().session;
    const response = await fetch(`${this.#origin}/v1/widget/sessions`, {
      method: 'POST',
      credentials: 'omit',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key: this.#key, ...(before && { session_token: before }) }),
    });
    if (!response.ok) throw await refusal(response);
    const { session_token: token, expires_in: seconds, bot, appearance: look } = await response.json();
    this.#kept.set({ session: token });
    this.#bot = bot.id;
    this.#session = { token, bot, look, until: Date.now() + seconds * 1000 };
  }
}
