/** How variants of a bot are called, and what is said of them. */

import { language, number, t } from '../lib/words.js';

export const letter = n => String.fromCharCode(65 + n);

/** A variant in a sentence; one that nobody gave a title has its letter only. */
export const called = (n, title) =>
  title === t('Variant {letter}', { letter: letter(n) }) ? t('Variant {letter}', { letter: letter(n) }) : t('Variant {letter} (“{title}”)', { letter: letter(n), title });

const NAMES = () => ({
  system_prompt: t('Instructions'), model: t('Model'), temperature: t('Temperature'), max_tokens: t('Longest answer, in tokens'), floor: t('Floor'), top_k: t('Passages'),
  lexical_weight: t('Weight of words'), refusal_text: t('What it says when it does not know'), check_claims: t('Have a model check that the passages support the answer'),
  chunk_size: t('Characters of a passage, at most'), chunk_overlap: t('Shared with its neighbour'), embedding_model: t('Embedding model'),
});
/** What a setting is called. */
export const named = field => NAMES()[field] ?? field;

const UNSET = () => ({ chunk_size: t('as set by the operator'), chunk_overlap: t('as set by the operator'), embedding_model: t('the built-in model') });
/** Whether a setting is one of how sources are cut and embedded, and so of the index. */
export const ofIndex = field => field in UNSET();

/** The value of a setting, as it is read. */
export function shown(value, field) {
  if (value == null || value === '') return UNSET()[field] ?? t('as measured');
  if (typeof value === 'boolean') return value ? t('yes') : t('no');
  return typeof value === 'number' ? number(value) : value;
}

export const percent = value => (value == null ? '–' : new Intl.NumberFormat(language.value, { style: 'percent', maximumFractionDigits: 1 }).format(value));
export const decimal = value => (value == null ? '–' : new Intl.NumberFormat(language.value, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value));
const signed = value => new Intl.NumberFormat(language.value, { signDisplay: 'exceptZero', minimumFractionDigits: 3, maximumFractionDigits: 3 }).format(value);

/** How a variant did against the first one, and between which bounds that lies. */
export const sureness = by => t('{mean}, with 95 % between {low} and {high}', { mean: signed(by.mean), low: signed(by.low), high: signed(by.high) });
