/*! MiniRAG chat widget. One script tag; the conversation is loaded when it is first opened. */
(() => {
  'use strict';
  // A classic script: only such a one knows its own tag, with the site's settings in it.
  const script = document.currentScript;
  const source = new URL(script?.src || 'widget/minirag-widget.js', location.href);
  // The gateway names the version here, so that the parts may be kept by the browser for ever.
  const parts = new URL('../assets/__VERSION__/widget/', source);
  const LABEL = { en: 'Open chat', de: 'Chat öffnen' };
  const BUBBLE = 'M21 12a8 8 0 0 1-8 8H4l2-3a8 8 0 1 1 15-5z';
  const sheet = new CSSStyleSheet();
  // The names without a prefix are those of older pages; `initial` keeps out what the site's own
  // design system may call by the same name, yet gives way to a rule for `minirag-widget`.
  sheet.replaceSync(`
    :host { --primary: initial; --bg: initial; --bg-secondary: initial; --text: initial;
      --text-secondary: initial; --border: initial; --radius: initial }
    .root { all: initial; color-scheme: light dark }
    .root[data-theme=light] { color-scheme: light }
    .root[data-theme=dark] { color-scheme: dark }
    .widget-bubble { position: fixed; z-index: 2147483000; box-sizing: border-box; padding: 0;
      inset: auto 1.25rem max(1.25rem, env(safe-area-inset-bottom)) auto; width: 3.5rem;
      height: 3.5rem; border: 0; border-radius: 50%; display: grid; place-items: center;
      cursor: pointer; background: var(--minirag-launcher, var(--primary, #14181a));
      color: var(--minirag-accent, var(--minirag-on-launcher, #c6f135));
      box-shadow: 0 4px 18px #0004 }
    .root[data-position=left] .widget-bubble { inset-inline: 1.25rem auto }
    .widget-bubble[hidden] { display: none }
    .widget-bubble:focus-visible { outline: 3px solid var(--minirag-accent, #c6f135);
      outline-offset: 2px; box-shadow: 0 0 0 6px #14181a }
    svg { width: 1.6rem; height: 1.6rem; fill: none; stroke: currentColor; stroke-width: 2;
      stroke-linecap: round; stroke-linejoin: round }
    @media print { .root { display: none } }`);

  class MiniRagWidget extends HTMLElement {
    static observedAttributes = ['open', 'lang', 'theme', 'position', 'accent', 'launcher'];

    #shadow = this.attachShadow({ mode: 'open' });
    #root = document.createElement('div');
    #launcher = document.createElement('button');
    #panel;

    get language() {
      const wanted = this.lang || document.documentElement.lang || navigator.language;
      return wanted.slice(0, 2).toLowerCase() in LABEL ? wanted.slice(0, 2).toLowerCase() : 'en';
    }

    connectedCallback() {
      if (this.#root.parentNode) return;
      // Whatever the site's stylesheet says about every element must not reach into the widget.
      this.style.setProperty('all', 'initial', 'important');
      this.#shadow.adoptedStyleSheets = [sheet];
      const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      const path = document.createElementNS(svg.namespaceURI, 'path');
      svg.setAttribute('viewBox', '0 0 24 24');
      svg.setAttribute('aria-hidden', 'true');
      path.setAttribute('d', BUBBLE);
      svg.append(path);
      this.#root.className = 'root';
      Object.assign(this.#launcher, { type: 'button', className: 'widget-bubble' });
      this.#launcher.setAttribute('part', 'launcher');
      this.#launcher.setAttribute('aria-haspopup', 'dialog');
      this.#launcher.setAttribute('aria-expanded', 'false');
      this.#launcher.append(svg);
      this.#launcher.onclick = () => this.toggle();
      this.#launcher.onpointerenter = this.#launcher.onfocus = () => this.#load();
      this.#root.append(this.#launcher);
      this.#shadow.append(this.#root);
      this.#show();
      if (this.hasAttribute('open')) this.show();
      this.#tell('ready');
    }

    attributeChangedCallback(name) {
      if (!this.#root.parentNode) return;
      this.#show();
      if (name === 'open') this.hasAttribute('open') ? this.show() : this.hide();
    }

    #show() {
      this.#launcher.setAttribute('aria-label', LABEL[this.language]);
      this.#root.dataset.theme = this.getAttribute('theme') ?? 'auto';
      this.#root.dataset.position = this.getAttribute('position') ?? 'right';
      for (const name of ['accent', 'launcher']) {
        const value = this.getAttribute(name);
        if (value) this.#root.style.setProperty(`--minirag-${name}`, value);
      }
      this.#root.lang = this.language;
    }

    #tell(name, detail) {
      const told = new CustomEvent(`minirag:${name}`, { bubbles: true, composed: true, detail });
      this.dispatchEvent(told);
    }

    #load() {
      return (this.#panel ??= import(`${parts}panel.js`).then(
        ({ Panel }) =>
          new Panel({
            element: this,
            root: this.#root,
            launcher: this.#launcher,
            shadow: this.#shadow,
            origin: this.getAttribute('api-url') || script?.dataset.apiUrl || source.origin,
            tell: (name, detail) => this.#tell(name, detail),
          }),
        error => {
          this.#panel = undefined;
          throw error;
        },
      ));
    }

    async show() {
      try {
        await (await this.#load()).show();
      } catch (error) {
        // A chat that cannot be had is no reason to trouble the site's visitor.
        if (error.status === 401 || error.status === 403) this.#launcher.hidden = true;
        console.error('[minirag]', error.message);
        this.#tell('error', { message: error.message });
      }
    }

    async hide() {
      (await this.#panel)?.hide();
    }

    async toggle() {
      (await this.#panel)?.isOpen ? this.hide() : this.show();
    }

    async ask(question) {
      await this.show();
      return (await this.#panel).ask(question);
    }

    async reset() {
      (await this.#panel)?.reset();
    }
  }
  customElements.get('minirag-widget') ?? customElements.define('minirag-widget', MiniRagWidget);

  const given = script?.dataset ?? {};
  const complete = given.key || (given.botId && given.apiToken);
  if (complete && !document.querySelector('minirag-widget')) {
    const widget = document.createElement('minirag-widget');
    for (const [name, value] of Object.entries(given)) {
      const attribute = name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
      // As an attribute of an element, `title` would show as a tooltip over the whole chat.
      widget.setAttribute(attribute === 'title' ? 'heading' : attribute, value);
    }
    const add = () => document.body.append(widget);
    document.body ? add() : addEventListener('DOMContentLoaded', add, { once: true });
  }
})();
