const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: grid; grid-template-rows: minmax(0, 1fr) auto auto; min-height: 0; position: relative;
  --paper: var(--minirag-paper, var(--bg, light-dark(#fff, #191b1a)));
  --wash: var(--minirag-wash, var(--bg-secondary, light-dark(#f1f3ef, #232624)));
  --ink: var(--minirag-ink, var(--text, light-dark(#14181a, #e8ebe6)));
  --soft: var(--minirag-soft, var(--text-secondary, light-dark(#586066, #a1aaa3)));
  --line: var(--minirag-line, var(--border, light-dark(#d9ddd6, #343835)));
  --hi: var(--minirag-accent, #c6f135); --on-hi: var(--minirag-on-accent, #14181a);
  --bad: light-dark(#b3261e, #ff8a80);
  font: 400 .9375rem/1.55 var(--minirag-font, system-ui, sans-serif); color: var(--ink); background: var(--paper) }
*, ::before, ::after { box-sizing: border-box }
[hidden] { display: none !important }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; margin: 0 }
button { font: inherit; color: inherit; background: none; border: 0; cursor: pointer; padding: 0 }
:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; border-radius: 4px }
svg { width: 1.125em; height: 1.125em; fill: none; stroke: currentColor; stroke-width: 2;
  stroke-linecap: round; stroke-linejoin: round; display: block }
.log { overflow-y: auto; overscroll-behavior: contain; padding: 1rem; display: flex; flex-direction: column;
  gap: 1rem; scrollbar-width: thin }
.log:focus-visible { outline-offset: -3px }
.msg { max-width: 100%; overflow-wrap: anywhere }
.msg p { margin: 0 0 .6em }
.msg p:last-child { margin: 0 }
.msg-user { align-self: flex-end; max-width: 85%; background: var(--wash); padding: .5rem .8rem;
  border-radius: 12px 12px 3px 12px; white-space: pre-wrap }
.live .body > :last-child::after { content: ''; display: inline-block; width: .5em; height: 1.05em;
  margin-left: .12em; vertical-align: -.15em; background: var(--hi); animation: blink 1s steps(2) infinite }
@keyframes blink { 50% { opacity: .15 } }
.stage, .refused { color: var(--soft); font-size: .85em }
.body ul, .body ol { margin: 0 0 .6em; padding-left: 1.4em }
.body li + li { margin-top: .2em }
.body h3, .body h4, .body h5, .body h6 { font-size: 1em; margin: .8em 0 .3em }
a { color: inherit; text-decoration-thickness: 1px; text-underline-offset: 3px }
code { font: .88em var(--minirag-mono, ui-monospace, monospace); background: var(--wash); padding: .1em .3em; border-radius: 4px }
pre { background: var(--wash); border-radius: 8px; padding: .7rem .8rem; overflow: auto; margin: 0 0 .7em }
pre code { background: none; padding: 0 }
.table { overflow-x: auto; margin: 0 0 .7em }
table { border-collapse: collapse; font-size: .92em; min-width: 60% }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600 }
[data-align=right] { text-align: right }
[data-align=center] { text-align: center }
.cite { font-size: .72em; font-weight: 700; line-height: 1; min-width: 1.6em; padding: .25em .3em; margin: 0 .1em;
  border-radius: 4px; background: var(--hi); color: var(--on-hi); vertical-align: .25em; position: relative }
.cite::after { content: ''; position: absolute; inset: -6px }
footer { display: flex; align-items: center; gap: .15rem; color: var(--soft); margin-top: .35rem; flex-wrap: wrap }
.gap { flex: 1 }
.sources { font-size: .85em; text-decoration: underline; text-underline-offset: 3px; padding: .3rem 0; color: var(--ink) }
.icon { width: 2rem; height: 2rem; display: grid; place-items: center; border-radius: 6px }
.icon:hover { background: var(--wash); color: var(--ink) }
.icon[aria-pressed=true] { background: var(--hi); color: var(--on-hi) }
.error { color: var(--bad); font-size: .9em; flex-basis: 100% }
.error button { text-decoration: underline; color: var(--ink) }
.evidence { border-left: 3px solid var(--hi); padding-left: .8rem; margin: .5rem 0; display: grid; gap: .7rem; font-size: .9em }
.evidence .head { display: flex; gap: .5rem; align-items: baseline; margin: 0 0 .2rem }
.evidence .head b { font-weight: 700 }
.evidence small { color: var(--soft); margin-left: auto; white-space: nowrap }
blockquote { margin: 0; color: var(--soft); white-space: pre-line; max-height: 14rem; overflow-y: auto }
mark { background: var(--hi); color: var(--on-hi); padding: 0 .1em; border-radius: 2px }
.starters { display: flex; flex-wrap: wrap; gap: .5rem }
.starters button { border: 1px solid var(--line); border-radius: 999px; padding: .4rem .8rem; font-size: .9em; min-height: 2.25rem; text-align: left }
.starters button:hover { border-color: var(--ink) }
form { display: flex; gap: .5rem; align-items: flex-end; margin: 0 1rem; border: 1px solid var(--line);
  border-radius: 12px; padding: .35rem .35rem .35rem .8rem }
form:focus-within { border-color: var(--ink); box-shadow: 0 0 0 1px var(--ink) }
textarea { flex: 1; min-width: 0; font: inherit; color: inherit; background: none; border: 0; outline: 0; resize: none;
  padding: .35rem 0; max-height: 140px }
textarea:focus-visible { outline: 0 }
textarea::placeholder { color: var(--soft); opacity: 1 }
.send { width: 2.25rem; height: 2.25rem; border-radius: 8px; display: grid; place-items: center; background: var(--ink); color: var(--paper) }
.notice { font-size: .75rem; color: var(--soft); text-align: center; margin: .4rem 1rem .6rem }
.jump { position: absolute; bottom: 6.2rem; left: 50%; translate: -50%; background: var(--ink); color: var(--paper);
  font-size: .8rem; padding: .35rem .8rem; border-radius: 999px; white-space: nowrap }
@media (prefers-reduced-motion: reduce) { *, ::after { animation: none !important; transition: none !important } }
@media (forced-colors: active) { .cite, mark, .send { forced-color-adjust: none } }
`);
export default sheet;
