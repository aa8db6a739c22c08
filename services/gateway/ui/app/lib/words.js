/** Languages: the English text is its own key. */

import { effect, signal } from './kit.js';

const kept = name => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // forbidden by the browser's settings
  }
};
export const keep = (name, value) => {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It then lasts as long as the page.
  }
};

export const language = signal(kept('minirag:language') ?? (navigator.language.startsWith('de') ? 'de' : 'en'));
/** German by English texts; fetched when somebody reads it. */
const german = signal({});
const toldInGerman = signal(text => text);
export const theme = signal(kept('minirag:theme') ?? 'auto');
effect(() => {
  document.documentElement.lang = language.value;
  keep('minirag:language', language.value);
});
effect(() => {
  document.documentElement.dataset.theme = theme.value;
  keep('minirag:theme', theme.value);
});

/** Fetch the words of the language that is chosen; until they are there, the English ones stand. */
export async function learn() {
  if (language.value !== 'de') return;
  const [{ GERMAN }, { inGerman }] = await Promise.all([import('./german.js'), import('./german_told.js')]);
  german.value = GERMAN;
  toldInGerman.value = inGerman;
}

/** The text in the language that is chosen, with `{name}` filled in. */
export function t(text, values = {}) {
  const said = language.value === 'de' ? (german.value[text] ?? text) : text;
  return said.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** What a service tells of something in English, in the language that is chosen. Services count chunks, which readers know as passages. */
export function told(text) {
  if (!text) return text;
  return language.value === 'de' ? toldInGerman.value(text) : text.replace(/\b(\d+) chunks\b/g, (_, n) => counted(Number(n), '1 passage', '{n} passages'));
}

/** One or several: `counted(3, '1 passage', '{n} passages')`. */
export const counted = (n, one, several) => t(n === 1 ? one : several, { n: number(n) });

export const number = value => new Intl.NumberFormat(language.value).format(value);
/** The language as it is spoken where the reader is, if the browser tells: a date is not written alike everywhere. */
const spoken = () => navigator.languages.find(one => one.split('-')[0] === language.value) ?? language.value;
export const moment = value =>
  new Intl.DateTimeFormat(spoken(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(value));
export const clock = value =>
  new Intl.DateTimeFormat(spoken(), { timeStyle: 'medium' }).format(new Date(value));

const UNITS = [['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1]];

/** How long ago, in words. */
export function ago(value) {
  const seconds = Math.round((Date.parse(value) - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat(language.value, { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}
