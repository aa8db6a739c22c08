/** One answer: its text as it comes, its evidence, and what a reader can do with it. */

import { cited } from './cited.js';
import { icon, make } from './dom.js';
import { follow } from './sse.js';

const LINK = /^https?:/i;

export class Answer {
  #chat;
  #again;
  #text = '';
  #citations = [];
  #frame = 0;
  #open = 0;
  #stage = make('p', { className: 'stage' });
  #body = make('div', { className: 'body' });
  #foot = make('footer');
  // Plain until the reader of Markdown is there: it is most of what a conversation has to load.
  #paint = text => (this.#body.textContent = text);

  constructor(chat, again) {
    this.#chat = chat;
    this.#again = again;
    this.#stage.hidden = true;
    this.element = make('article', { className: 'msg msg-assistant' }, this.#stage, this.#body, this.#foot);
    import('./markdown.js').then(({ markdown }) => {
      this.#body.replaceChildren();
      this.#paint = markdown(this.#body, { cite: n => this.#mark(n) });
      this.#paint(this.#text);
    });
  }

  /** Show a message of an earlier visit. */
  restore(message) {
    this.#text = message.content;
    this.#citations = this.#chat.connection.citationsOf(message.id);
    this.#paint(this.#text);
    this.#tools(message.id, message.feedback);
  }

  /** Show a turn while it comes. */
  async follow(stream) {
    const t = this.#chat.words;
    const began = performance.now();
    let first;
    this.element.classList.add('live');
    this.element.setAttribute('aria-busy', 'true');
    this.#say(t.reading);
    try {
      let end;
      for await (const { event, data } of follow(stream)) {
        if (event === 'turn') this.#chat.connection.began(data);
        else if (event === 'reconnecting') this.#say(t.reconnecting);
        else if (event === 'sources') this.#say(t.writing);
        else if (event === 'citations') this.#citations = data.items;
        else if (event === 'refused') this.element.classList.add('refused-answer');
        else if (event === 'reset') this.#write('');
        else if (event === 'delta') {
          first ??= performance.now();
          this.#stage.hidden = true;
          this.#write(this.#text + data.content);
        } else if (event === 'done' || event === 'error') end = { event, data };
      }
      if (!end) return this.#stopped();
      this.#chat.connection.ended();
      if (end.event === 'error') throw Object.assign(new Error(end.data.detail), { shown: end.data.detail, ...end.data });
      this.#finish(end.data, { ms: performance.now() - began, first: first && first - began });
    } catch (error) {
      this.#failed(error);
    } finally {
      cancelAnimationFrame(this.#frame);
      this.#paint(this.#text);
      this.#stage.hidden = true;
      this.element.classList.remove('live');
      this.element.removeAttribute('aria-busy');
    }
  }

  #say(text) {
    this.#stage.textContent = text;
    this.#stage.hidden = false;
    this.#chat.announce(text);
  }

  #write(text) {
    this.#text = text;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint(this.#text);
      this.#chat.scroll();
    });
  }

  #finish(done, { ms, first }) {
    const t = this.#chat.words;
    const note = done.stopped ? t.stopped : !done.grounded && this.#citations.length === 0 && t.noSource;
    if (note) this.#foot.append(make('span', { className: 'refused', textContent: note }));
    if (done.message_id) this.#chat.connection.keepCitations(done.message_id, this.#citations);
    this.#tools(done.message_id);
    this.#chat.announce(this.#text); // once, whole: word by word it could not be listened to
    const quoted = cited(this.#text, this.#citations).map(({ n }) => n);
    this.#chat.tell('answer', { ...done, text: this.#text, citations: this.#citations, cited: quoted, ms, first });
  }

  #stopped() {
    this.#chat.connection.ended();
    this.#foot.append(make('span', { className: 'refused', textContent: this.#chat.words.stopped }));
    this.#chat.announce(this.#chat.words.stopped);
  }

  #failed(error) {
    const t = this.#chat.words;
    const said = error.shown ?? (navigator.onLine ? t.failed : t.offline);
    const line = make('p', { className: 'error', role: 'alert', textContent: `${said} ` });
    if (this.#again) {
      const again = make('button', { type: 'button', textContent: t.retry });
      again.onclick = () => {
        this.#chat.focus();
        this.#again();
      };
      line.append(again);
    }
    this.#foot.append(line);
    this.#chat.tell('error', { message: said });
  }

  #tools(message, feedback) {
    const t = this.#chat.words;
    const sources = cited(this.#text, this.#citations).length;
    if (sources > 0) {
      const label = t.sources(sources);
      const all = make('button', { className: 'sources', type: 'button', textContent: label, 'aria-expanded': 'false' });
      all.onclick = () => this.#evidence(0);
      this.#foot.append(all);
    }
    this.#foot.append(make('span', { className: 'gap' }));
    const copy = make('button', { className: 'icon', type: 'button', 'aria-label': t.copy, title: t.copy }, icon('copy'));
    copy.onclick = async () => {
      // Pages without TLS have no clipboard.
      const done = await navigator.clipboard?.writeText(this.#text).then(() => true, () => false);
      this.#chat.announce(done ? t.copied : t.failed);
    };
    this.#foot.append(copy);
    if (message) this.#foot.append(...this.#votes(message, feedback));
  }

  #votes(message, feedback) {
    const t = this.#chat.words;
    const buttons = [['up', 'positive', t.up], ['down', 'negative', t.down]].map(([name, value, label]) => {
      const pressed = String(feedback === value);
      const button = make('button', { className: 'icon', type: 'button', 'aria-label': label, title: label, 'aria-pressed': pressed }, icon(name));
      button.onclick = async () => {
        const given = button.getAttribute('aria-pressed') === 'true' ? null : value;
        const before = buttons.map(other => other.getAttribute('aria-pressed'));
        for (const other of buttons) other.setAttribute('aria-pressed', String(other === button && given !== null));
        try {
          await this.#chat.connection.feedback(message, given);
          this.#chat.announce(t.thanks);
          this.#chat.tell('feedback', { message_id: message, feedback: given });
        } catch {
          buttons.forEach((other, i) => other.setAttribute('aria-pressed', before[i]));
          this.#chat.announce(t.failed);
        }
      };
      return button;
    });
    return buttons;
  }

  /** The button that stands in the text for [n]. */
  #mark(n) {
    const found = this.#citations.find(citation => citation.n === n);
    if (!found) return `[${n}]`;
    const label = `${this.#chat.words.source} ${n}: ${found.title ?? ''}`;
    const mark = make('button', { className: 'cite', type: 'button', textContent: n, 'aria-label': label });
    mark.onclick = () => this.#evidence(n);
    return mark;
  }

  /** Open the passage behind a citation, or behind all that stand in the text; the same again closes it. */
  async #evidence(n) {
    const before = this.element.querySelector('.evidence');
    const all = this.element.querySelector('.sources');
    before?.remove();
    const closing = before && this.#open === n;
    all?.setAttribute('aria-expanded', String(!closing && n === 0));
    if (closing) return;
    this.#open = n;
    const shown = n === 0 ? cited(this.#text, this.#citations) : this.#citations.filter(citation => citation.n === n);
    const box = make('div', { className: 'evidence' });
    this.#foot.before(box);
    this.#chat.tell('cite', { citations: shown, n });
    for (const citation of shown) box.append(this.#passage(citation));
    box.scrollIntoView({ block: 'nearest' });
  }

  #passage(citation) {
    const t = this.#chat.words;
    const quote = make('blockquote', { textContent: t.loading, tabIndex: 0 });
    const title = citation.title || citation.url || t.source;
    const name = LINK.test(citation.url ?? '')
      ? make('a', { href: citation.url, target: '_blank', rel: 'noopener noreferrer', textContent: title })
      : make('span', { textContent: title });
    const percent = new Intl.NumberFormat(this.#chat.lang || 'en', { style: 'percent' }).format(citation.score);
    const head = make('p', { className: 'head' }, make('b', { textContent: citation.n }), name, make('small', { textContent: t.match(percent) }));
    this.#chat.connection.passage(citation.citation_id).then(
      ({ before, text, after }) => {
        const mark = make('mark', { textContent: text });
        quote.replaceChildren(before ?? '', mark, after ?? '');
        mark.scrollIntoView({ block: 'nearest' });
        this.#chat.announce(`${title}: ${text}`);
      },
      error => (quote.textContent = error.shown ?? t.failed),
    );
    return make('section', {}, head, quote);
  }
}
