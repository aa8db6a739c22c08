/** Which of the passages that an answer was given it cites: those whose number stands in it as [n]. */

/** Between backticks `row[0]` is code, and cites nothing. */
const CODE = /(`{3,})[^]*?(?:\1|$)|(?<!`)(`{1,2})(?!`)[^\n]*?(?<!`)\2(?!`)/g;
const MARK = /\[(\d{1,2})\](?!\()/g;

export const numbers = text => new Set([...text.replace(CODE, '').matchAll(MARK)].map(([, n]) => Number(n)));

export function cited(text, citations) {
  const told = numbers(text);
  return citations.filter(({ n }) => told.has(n));
}
