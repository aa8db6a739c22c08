/** Ctrl+K: to any page, bot or source by its name, and what can be begun from anywhere. */

import { html, useEffect, useLayoutEffect, useRef, useSignal } from '../lib/kit.js';
import { api, mayChange, signOut } from '../lib/api.js';
import { go } from '../lib/router.js';
import { t, theme } from '../lib/words.js';

const SHOWN = 12;
const LISTED = 200;

const ACTIONS = [
  { name: 'Add source', admins: true, run: () => go('/sources', { add: '1' }) },
  { name: 'New token', admins: true, run: () => go('/tokens', { add: 'token' }) },
  { name: 'Light theme', run: () => (theme.value = 'light') },
  { name: 'Dark theme', run: () => (theme.value = 'dark') },
  { name: 'Sign out', run: signOut },
];

/** Bots and sources, as soon as they are known; pages come without them. */
function useThings() {
  const things = useSignal([]);
  useEffect(() => {
    let on = true;
    const add = (path, kind, to) =>
      api.get(path).then(found => on && (things.value = [...things.value, ...found.map(one => ({ id: one.id, text: one.name, kind, run: () => to(one.id) }))]), () => {});
    add(`/v1/bot-profiles?limit=${LISTED}`, 'Bot', id => go(`/bots/${id}`));
    add(`/v1/sources?limit=${LISTED}`, 'Source', id => go('/sources', { open: id }));
    return () => (on = false);
  }, []);
  return things.value;
}

export function Goto({ pages, close }) {
  const ref = useRef();
  const asked = useSignal('');
  const at = useSignal(0);
  const things = useThings();
  useLayoutEffect(() => {
    ref.current.showModal();
  }, []);
  const wanted = asked.value.trim().toLowerCase();
  const places = pages.map(page => ({ id: page.to, text: t(page.name), run: () => go(page.to) }));
  const actions = ACTIONS.filter(action => !action.admins || mayChange()).map(action => ({ id: action.name, text: t(action.name), kind: 'Action', run: action.run }));
  // Without a word only pages: the rest would hide them.
  const all = wanted ? [...places, ...actions, ...things] : places;
  const begins = one => one.text.toLowerCase().startsWith(wanted);
  const fits = all.filter(one => one.text.toLowerCase().includes(wanted));
  const hits = [...fits.filter(begins), ...fits.filter(one => !begins(one))].slice(0, wanted ? SHOWN : all.length);
  const pick = one => {
    ref.current.close();
    one.run();
  };
  const key = event => {
    if (event.key === 'ArrowDown') at.value = Math.min(hits.length - 1, at.value + 1);
    else if (event.key === 'ArrowUp') at.value = Math.max(0, at.value - 1);
    else if (event.key === 'Enter' && hits[at.value]) pick(hits[at.value]);
    else return;
    event.preventDefault();
    ref.current.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
  };
  const type = event => {
    asked.value = event.target.value;
    at.value = 0;
  };
  return html`<dialog class="goto" ref=${ref} onClose=${close} onClick=${event => event.target === ref.current && ref.current.close()} aria-label=${t('Go to')}>
    <input autofocus role="combobox" aria-expanded="true" aria-controls="places" aria-activedescendant=${hits.length ? `place${at.value}` : undefined} aria-label=${t('Go to a page, a bot or a source')} placeholder=${t('Go to…')} onInput=${type} onKeyDown=${key}/>
    <ul id="places" role="listbox" aria-label=${t('Go to')}>${hits.map((one, i) => html`<li key=${(one.kind ?? '') + one.id} id=${`place${i}`} role="option" aria-selected=${i === at.value} onClick=${() => pick(one)}>${one.text}${one.kind && html` <span class="kind">${t(one.kind)}</span>`}</li>`)}</ul>
    ${hits.length === 0 && html`<p class="none soft" role="status">${t('Nothing fits')}</p>`}</dialog>`;
}
