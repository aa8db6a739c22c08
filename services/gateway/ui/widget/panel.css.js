const sheet = new CSSStyleSheet();
sheet.replaceSync(`
dialog.widget-window { all: initial; position: fixed; z-index: 2147483001; box-sizing: border-box;
  inset: auto 1.25rem 5.6rem auto; width: 25rem; max-width: calc(100vw - 2.5rem);
  height: min(40rem, calc(100dvh - 7.5rem)); max-height: none; margin: 0; padding: 0;
  border: 1px solid var(--minirag-line, var(--border, light-dark(#d9ddd6, #343835)));
  border-radius: var(--minirag-radius, var(--radius, 14px)); overflow: hidden;
  font: 400 15px/1.5 var(--minirag-font, system-ui, sans-serif);
  background: var(--minirag-paper, var(--bg, light-dark(#fff, #191b1a)));
  color: var(--minirag-ink, var(--text, light-dark(#14181a, #e8ebe6)));
  color-scheme: inherit; box-shadow: 0 18px 60px #0004 }
dialog.widget-window:not([open]) { display: none }
dialog.widget-window[open] { display: grid; grid-template-rows: auto minmax(0, 1fr) }
.root[data-position=left] dialog { inset-inline: 1.25rem auto }
.widget-header { display: flex; align-items: center; gap: .5rem; padding: .7rem .6rem .7rem 1rem;
  border-bottom: 1px solid var(--minirag-line, var(--border, light-dark(#d9ddd6, #343835))) }
.widget-title { all: unset; flex: 1; font-weight: 650; overflow-wrap: anywhere }
.widget-header button { all: unset; cursor: pointer; width: 2.25rem; height: 2.25rem; display: grid;
  place-items: center; border-radius: 8px }
.widget-header button:hover { background: var(--minirag-wash, var(--bg-secondary, light-dark(#f1f3ef, #232624))) }
.widget-header button:focus-visible { outline: 2px solid currentColor; outline-offset: -2px }
.widget-header svg { width: 1.2rem; height: 1.2rem }
@media (max-width: 30rem) {
  dialog.widget-window { inset: 0; width: 100vw; max-width: none; height: 100dvh; border: 0; border-radius: 0 }
}
@media (prefers-reduced-motion: no-preference) {
  dialog.widget-window[open] { animation: in .16s ease-out }
  @keyframes in { from { opacity: 0; translate: 0 8px } }
}
`);
export default sheet;
