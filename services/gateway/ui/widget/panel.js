/** The window of the widget: a dialog with a header around the conversation. */

import './chat.js';
import { Connection } from './connection.js';
import { icon, make } from './dom.js';
import { words } from './words.js';
import sheet from './panel.css.js';

const PHONE = '(max-width: 30rem)';
const REACHABLE = 'button:not([disabled]):not([hidden]), a[href], textarea, [tabindex="0"]';

const lines = text => (text ?? '').split('|').map(line => line.trim()).filter(Boolean);

export class Panel {
  #host;
  #dialog;
  #chat;
  #connection;
  #opening;

  /** `host`: what the loader knows of its element, its launcher and the server. */
  constructor(host) {
    this.#host = host;
    host.shadow.adoptedStyleSheets.push(sheet);
  }

  get isOpen() {
    return Boolean(this.#dialog?.open);
  }

  async show() {
    this.#opening ??= this.#build();
    try {
      await this.#opening;
    } catch (error) {
      this.#opening = undefined; // the next click tries again
      throw error;
    }
    if (this.isOpen) return;
    // On a phone the window is all there is; beside a page, the page stays usable.
    if (matchMedia(PHONE).matches) this.#dialog.showModal();
    else this.#dialog.show();
    this.#host.launcher.setAttribute('aria-expanded', 'true');
    this.#chat.focus();
    this.#host.tell('open');
  }

  hide() {
    if (!this.isOpen) return;
    this.#dialog.close();
    this.#host.launcher.setAttribute('aria-expanded', 'false');
    this.#host.launcher.focus();
    this.#host.tell('close');
  }

  ask(question) {
    return this.#chat.ask(question);
  }

  reset() {
    this.#chat?.reset();
  }

  async #build() {
    const { element, root, origin } = this.#host;
    const attribute = name => element.getAttribute(name);
    this.#connection = new Connection({
      origin,
      key: attribute('key') ?? undefined,
      bot: attribute('bot-id') ?? undefined,
      token: attribute('api-token') ?? undefined,
      persist: attribute('persist') ?? 'session',
    });
    const bot = await this.#connection.about();
    const look = bot.look ?? {};
    // What stands in the page comes before what the server says.
    for (const name of ['accent', 'launcher', 'position', 'theme']) {
      if (look[name] && !element.hasAttribute(name)) element.setAttribute(name, look[name]);
    }
    if (look.language && !element.lang) element.lang = look.language;
    const { language } = element;
    const t = words(language);
    const heading =
      attribute('heading') || attribute('title') || look.heading || bot.name || 'MiniRAG Chat';
    const chat = (this.#chat = make('minirag-chat', { lang: language }));
    chat.greeting = attribute('greeting') ?? (look.greeting || t.greeting);
    chat.starters = element.hasAttribute('starters') ? lines(attribute('starters')) : (look.starters ?? []);
    chat.connection = this.#connection;
    const fresh = this.#button(t.fresh, 'fresh', () => {
      chat.reset();
      chat.focus();
    });
    const close = this.#button(t.close, 'close', () => this.hide());
    close.classList.add('widget-close');
    const title = make('h2', { id: 'title', className: 'widget-title', textContent: heading });
    const header = make('header', { className: 'widget-header' }, title, fresh, close);
    this.#dialog = make(
      'dialog',
      { className: 'widget-window', 'aria-labelledby': 'title', part: 'panel' },
      header,
      chat,
    );
    this.#dialog.oncancel = event => {
      event.preventDefault();
      this.hide();
    };
    this.#dialog.onkeydown = event => this.#key(event);
    root.append(this.#dialog);
    await chat.restored;
  }

  #button(label, name, act) {
    const button = make('button', { type: 'button', 'aria-label': label, title: label }, icon(name));
    button.onclick = act;
    return button;
  }

  #key(event) {
    // The site must not act on what is typed here.
    event.stopPropagation();
    if (event.key === 'Escape') {
      event.preventDefault();
      this.hide();
    } else if (event.key === 'Tab') {
      this.#loop(event);
    }
  }

  /** Keep Tab inside the open window; Escape always leaves it (WCAG 2.2, 2.1.2). */
  #loop(event) {
    const inside = [
      ...this.#dialog.querySelectorAll('header button'),
      ...this.#chat.shadowRoot.querySelectorAll(REACHABLE),
    ].filter(node => node.getClientRects().length);
    const here = this.#chat.shadowRoot.activeElement ?? this.#host.shadow.activeElement;
    const [from, to] = event.shiftKey ? [inside[0], inside.at(-1)] : [inside.at(-1), inside[0]];
    if (here === from) {
      event.preventDefault();
      to.focus();
    }
  }
}
