/** Small parts that every page uses. */

import { Icon, copied, createContext, html, signal, useContext, useId, useLayoutEffect, useRef, useSignal } from '../lib/kit.js';
import { comes } from '../lib/again.js';
import { explained, failing, faulty, tryAgain } from '../lib/api.js';
import { faultsOf } from '../lib/faults.js';
import { t } from '../lib/words.js';

const said = signal('');

/** A line that appears for a moment, and is read out. */
export function tell(text) {
  said.value = text;
  setTimeout(() => said.value === text && (said.value = ''), 4000);
}
export const Told = () => html`<div class="told" role="status">${said.value && html`<p>${said.value}</p>`}</div>`;

export const Head = ({ title, lead, children }) => html`<div class="head"><div><h1>${title}</h1>
  ${lead && html`<p>${lead}</p>`}</div><div class="acts">${children}</div></div>`;

/** A figure in a ledger; stands in a `dl.kpis`. */
export const Kpi = ({ label, value, note }) => html`<div class="kpi"><dt>${label}</dt><dd>${value}${note && html`<small class="soft">${note}</small>`}</dd></div>`;

export const Status = ({ is }) => html`<span class=${`st ${is}`}>${t(is)}</span>`;

export const Empty = ({ title, children }) => html`<div class="empty"><h2>${title}</h2>${children}</div>`;

/** What stands where data will be: nothing yet, or what went wrong. */
export function Waiting({ error, reload }) {
  if (!error) return html`<p class="soft wait" aria-busy="true">${t('Loading…')}</p>`;
  return html`<div class="problem" role="alert"><p>${explained(error)}${reload && comes(error) && html` <span class="soft">${t('It is asked again by itself.')}</span>`}</p>
    ${reload && html`<button class="btn" type="button" onClick=${() => tryAgain(reload)}>${t('Try again')}</button>`}</div>`;
}

/** That what the page shows may be old. */
export function Stale() {
  const all = [...failing.value.values()].filter(one => one.old);
  if (all.length === 0) return null;
  return html`<div class="stale" role="status"><p><b>${t('What you see may be old.')}</b> ${explained(all[0].error)}</p><button class="btn" type="button" onClick=${() => all.forEach(one => one.reload())}>${t('Try again')}</button></div>`;
}

export const Trouble = ({ error }) => error && html`<p class="bad" role="alert">${explained(error)}</p>`;

/** Fields that are drawn, and what is wrong with them: {drawn, marked, forget}. */
const OfFields = createContext(null);
const within = (at, name) => at === name || at.startsWith(`${name}.`);

/** What holds fields: each shows what the server says of it, and what is left of `error` stands below. */
export function Faults({ error, children }) {
  const drawn = useRef(new Set());
  const marked = useSignal(new Map());
  const rest = useSignal([]);
  const faults = useRef({ drawn: drawn.current, marked, forget: name => (marked.value = new Map([...marked.value].filter(([one]) => one !== name))) });
  useLayoutEffect(() => {
    const found = new Map();
    rest.value = faultsOf(error?.problem).filter(fault => {
      const name = [...drawn.current].find(one => within(fault.at, one));
      if (name && !found.has(name)) found.set(name, fault);
      return !name;
    });
    marked.value = found;
  }, [error]);
  const general = error && (rest.value.length > 0 || faultsOf(error.problem).length === 0);
  const said = [error && marked.value.size > 0 && t('Look at the marked fields again.'), general && explained(error, rest.value)].filter(Boolean);
  return html`<${OfFields.Provider} value=${faults.current}>${children}</>
    ${said.length > 0 && html`<p class="bad" role="alert">${said.join(' ')}</p>`}`;
}

const CONTROLS = 'input, select, textarea';

/**
 * The place of what a server calls `name`: while it is at fault, its controls say so by `said`, or in
 * a `group` of radio buttons the group does. Gives the ref of what holds them, what is told of the
 * fault, and how to forget it.
 */
function useFault(name, said, group) {
  const ref = useRef();
  const faults = useContext(OfFields);
  const fault = faults?.marked.value.get(name);
  useLayoutEffect(() => {
    if (!faults || !name) return undefined;
    faults.drawn.add(name);
    return () => faults.drawn.delete(name);
  }, [faults, name]);
  useLayoutEffect(() => {
    if (!fault) return undefined;
    const marked = group ? [ref.current] : [...ref.current.querySelectorAll(CONTROLS)];
    const marks = Object.entries({ 'aria-invalid': 'true', ...said });
    for (const one of marked) marks.forEach(([mark, value]) => one.setAttribute(mark, value));
    if (faults.marked.value.keys().next().value === name) {
      for (let around = ref.current.closest('details'); around; around = around.parentElement.closest('details')) around.open = true;
      ref.current.querySelector(group ? 'input:checked' : CONTROLS).focus();
    }
    return () => marked.forEach(one => marks.forEach(([mark]) => one.removeAttribute(mark)));
  }, [fault]);
  return { ref, told: fault && html`<small class="bad" id=${said['aria-describedby'].split(' ').at(-1)}>${faulty(fault)}</small>`, forget: fault && (() => faults.forget(name)) };
}

/** A labelled field. What the server calls it is told by `of`, or by the name of its control. */
export function Field({ label, hint, of, children }) {
  const id = useId();
  // All of it is its name, being in its label; hint and fault are read after the name instead.
  const said = { 'aria-labelledby': `${id}-name`, 'aria-describedby': hint ? `${id}-hint ${id}` : id };
  const { ref, told, forget } = useFault(of ?? children?.props?.name, said);
  return html`<label class="field" ref=${ref} onInput=${forget}><span id=${`${id}-name`}>${label}</span>${hint && html`<small id=${`${id}-hint`}>${hint}</small>`}${children}${told}</label>`;
}

/** A box to check, with its label. What the server calls it is told by `of`, or by its `name`. */
export function Check({ label, hint, of, ...box }) {
  const id = useId();
  const { ref, told, forget } = useFault(of ?? box.name, { 'aria-describedby': id });
  return html`<div class="tick" ref=${ref} onInput=${forget}><label class="check"><input type="checkbox" ...${box}/> <span>${label}${hint && html` <small class="soft">${hint}</small>`}</span></label>${told}</div>`;
}

/** Boxes that are one thing to the server, which calls it `of`; with `radios` one of them is chosen at any time. */
export function Choice({ legend, of, radios, inline, children }) {
  const id = useId();
  const { ref, told, forget } = useFault(of, { 'aria-describedby': id }, radios);
  return html`<fieldset class=${inline ? 'kinds' : 'choice'} role=${radios ? 'radiogroup' : undefined} ref=${ref} onInput=${forget}><legend>${legend}</legend>${children}${told}</fieldset>`;
}

/** A form that cannot be sent twice and tells why it was refused. `send` gets its fields; `typed` hears of each change. */
export function Form({ send, action, children, wide, typed }) {
  const state = useSignal({});
  const submit = async event => {
    event.preventDefault();
    if (state.value.busy) return;
    const form = event.currentTarget;
    state.value = { busy: true };
    try {
      await send(Object.fromEntries(new FormData(form)), form);
      state.value = {};
    } catch (error) {
      state.value = { error };
    }
  };
  return html`<form class=${wide ? 'form wide' : 'form'} onSubmit=${submit} onInput=${typed}><${Faults} error=${state.value.error}>${children}</>
    <div><button class="btn go" disabled=${state.value.busy}>${state.value.busy ? t('One moment…') : action}</button></div></form>`;
}

/** A dialog that is open as long as it is drawn. */
export function Dialog({ title, close, drawer, wide, children }) {
  const ref = useRef();
  useLayoutEffect(() => {
    ref.current.showModal();
    // Whoever opens a form means to fill it in; a phone would cover half of it with keys.
    if (matchMedia('(pointer: fine)').matches) ref.current.querySelector('form :is(input:not([type=checkbox]), select, textarea)')?.focus();
  }, []);
  const outside = event => event.target === ref.current && ref.current.close();
  return html`<dialog class=${drawer ? 'drawer' : wide ? 'box wide' : 'box'} ref=${ref} onClose=${close} onClick=${outside} aria-label=${title}>
    <div class="inner"><header><h2>${title}</h2><button class="btn icon" type="button" aria-label=${t('Close')} onClick=${() => ref.current.close()}><${Icon} name="close"/></button></header>
    ${children}</div></dialog>`;
}

/** A button that asks once more before it acts. */
export function Sure({ label, question, act, icon = 'trash' }) {
  const state = useSignal({});
  const run = async () => {
    state.value = { busy: true };
    try {
      await act();
      state.value = {};
    } catch (error) {
      state.value = { error };
    }
  };
  const { asking, busy, error } = state.value;
  if (error) return html`<${Trouble} error=${error}/>`;
  if (!asking) return html`<button class="btn" type="button" disabled=${busy} onClick=${() => (state.value = { asking: true })}><${Icon} name=${icon}/>${label}</button>`;
  return html`<span class="sure" role="group" aria-label=${question}><span>${question}</span>
    <button class="btn danger" type="button" onClick=${run}>${label}</button>
    <button class="btn" type="button" onClick=${() => (state.value = {})}>${t('Cancel')}</button></span>`;
}

/** Text to take along. */
export function Code({ text, label }) {
  const done = useSignal(false);
  const take = async () => {
    done.value = await copied(text);
    tell(done.value ? t('Copied.') : t('Copying is not allowed here; select the text.'));
  };
  return html`<div class="code"><pre tabindex="0" role="group" aria-label=${label}><code>${text}</code></pre>
    <button class="btn" type="button" onClick=${take}><${Icon} name=${done.value ? 'check' : 'copy'}/>${t('Copy')}</button></div>`;
}
