/** <minirag-chat>: a conversation with its answers, citations and composer. */

import { Answer } from './answer.js';
import { icon, make } from './dom.js';
import { words } from './words.js';
import sheet from './chat.css.js';

const NEAR_END = 40;
const TALLEST = 140;

/**
 * The page sets `connection`, and before it `greeting` and `starters` if it has any.
 * Events, all composed: minirag:question, :answer, :cite, :feedback, :error.
 */
export class MiniRagChat extends HTMLElement {
  static observedAttributes = ['lang'];

  #shadow = this.attachShadow({ mode: 'open' });
  #log = make('div', { className: 'log widget-messages', role: 'log', tabIndex: 0, 'aria-live': 'off' });
  #status = make('p', { className: 'sr', role: 'status' });
  #box = make('textarea', {
    className: 'widget-input', rows: 1, enterKeyHint: 'send', name: 'message', autocomplete: 'off',
  });
  #send = make('button', { className: 'send widget-send', type: 'submit' });
  #jump = make('button', { className: 'jump', type: 'button', hidden: true });
  #notice = make('p', { className: 'notice' });
  #running;
  #pinned = true;
  #connection;
  greeting = '';
  starters = [];
  restored = Promise.resolve();
  /** Settles when an earlier conversation has been shown. */

  constructor() {
    super();
    const form = make('form', { className: 'widget-input-bar' }, this.#box, this.#send);
    this.#shadow.adoptedStyleSheets = [sheet];
    this.#shadow.append(this.#log, this.#jump, form, this.#notice, this.#status);
    form.onsubmit = event => {
      event.preventDefault();
      if (this.#running) this.stop();
      else this.ask(this.#box.value);
    };
    this.#box.onkeydown = event => {
      // While a character is being composed, Enter chooses it.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.#running) form.requestSubmit();
    };
    this.#box.oninput = () => {
      this.#fit();
      import('./markdown.js'); // an answer is near
    };
    this.#log.onscroll = () => {
      const left = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight;
      this.#pinned = left < NEAR_END;
      this.#jump.hidden = this.#pinned;
    };
    this.#jump.onclick = () => this.scroll(true);
    this.#label();
  }

  get words() {
    return words(this.lang || document.documentElement.lang || navigator.language);
  }

  get connection() {
    return this.#connection;
  }

  set connection(connection) {
    this.leave();
    this.#connection = connection;
    this.#begin();
    this.restored = this.#restore();
  }

  attributeChangedCallback() {
    this.#label();
  }

  focus() {
    this.#box.focus();
  }

  /** End the answer where it is; where the server cannot, at least stop listening. */
  async stop() {
    const running = this.#running;
    if (running && !(await this.#connection.stop())) running.abort();
  }

  /** Stop listening; the server goes on, and the answer stays in the history. */
  leave() {
    this.#running?.abort();
  }

  /** Begin a new conversation. */
  reset() {
    this.leave();
    this.#connection?.forget();
    this.#begin();
  }

  /** Say something to those who cannot see the screen. */
  announce(text) {
    this.#status.textContent = text;
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(`minirag:${name}`, { bubbles: true, composed: true, detail }));
  }

  /** Follow the newest line, unless the reader has scrolled away from it. */
  scroll(always = false) {
    if (always) this.#pinned = true;
    if (this.#pinned) this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Ask, and resolve when the answer is there. */
  async ask(question) {
    const asked = question.trim();
    if (!asked || this.#running || !this.#connection) return;
    this.#box.value = '';
    this.#fit();
    this.#shadow.querySelector('.starters')?.remove();
    const mine = this.#question(asked);
    this.tell('question', { text: asked });
    const answer = this.#answer(asked, mine);
    await this.#follow(answer, this.#connection.send(asked));
  }

  async #restore() {
    const connection = this.#connection;
    const turn = connection.unfinished;
    const said = await connection.history().catch(() => []);
    if (said.length === 0 && !turn) return;
    this.#shadow.querySelector('.starters')?.remove();
    for (const message of said) {
      if (message.role === 'user') this.#question(message.content);
      else if (message.role === 'assistant') this.#answer().restore(message);
    }
    this.scroll(true);
    if (turn && said.at(-1)?.role !== 'assistant') this.#follow(this.#answer(), connection.resume(turn));
    else connection.ended();
  }

  async #follow(answer, stream) {
    this.#running = new AbortController();
    this.#label();
    this.scroll(true);
    try {
      await answer.follow({ ...stream, signal: this.#running.signal });
    } finally {
      this.#running = undefined;
      this.#label();
      this.scroll();
    }
  }

  #begin() {
    this.#log.replaceChildren();
    if (this.greeting) {
      const hello = make('p', { textContent: this.greeting });
      this.#log.append(make('div', { className: 'msg msg-assistant' }, hello));
    }
    if (this.starters.length === 0) return;
    const buttons = this.starters.map(text => {
      const button = make('button', { type: 'button', textContent: text });
      button.onclick = () => {
        this.focus(); // the button is about to go, and the focus with it
        this.ask(text);
      };
      return button;
    });
    this.#log.append(make('div', { className: 'starters' }, ...buttons));
  }

  #question(text) {
    const who = make('span', { className: 'sr', textContent: `${this.words.you}: ` });
    const said = make('div', { className: 'msg msg-user' }, who, text);
    this.#log.append(said);
    return said;
  }

  #answer(question, mine) {
    const again = question && (() => {
      mine.remove();
      answer.element.remove();
      this.ask(question);
    });
    const answer = new Answer(this, again);
    this.#log.append(answer.element);
    return answer;
  }

  #label() {
    const t = this.words;
    this.#log.setAttribute('aria-label', t.log);
    this.#box.setAttribute('aria-label', t.ask);
    this.#box.placeholder = `${t.ask}…`;
    this.#send.setAttribute('aria-label', this.#running ? t.stop : t.send);
    this.#send.replaceChildren(icon(this.#running ? 'stop' : 'send'));
    this.#jump.textContent = `↓ ${t.newest}`;
    this.#notice.textContent = t.notice;
  }

  #fit() {
    this.#box.style.height = 'auto';
    this.#box.style.height = `${Math.min(this.#box.scrollHeight, TALLEST)}px`;
  }
}
customElements.get('minirag-chat') ?? customElements.define('minirag-chat', MiniRagChat);
