/** Which rows of a long list can be seen. */

/** Above so many rows only those near the eye are drawn. */
export const MANY = 200;
/** Drawn above and below what is seen, so that scrolling meets no hole. */
const BESIDE = 16;
/** Rows are drawn anew after so many, not with every pixel. */
const STEP = 8;

/** How far down a box is, `row` px a row, as coarse as is needed. */
export const passed = (top, row) => Math.floor(top / (row * STEP)) * row * STEP;

/** From which to which of `count` rows to draw, `row` px high each, in a box of `height` px. */
export function seen(count, row, top, height) {
  const first = Math.max(0, Math.min(Math.floor(top / row) - BESIDE, count - 1));
  const last = Math.min(count, Math.ceil((top + height) / row) + BESIDE);
  return [first, Math.max(first, last)];
}

const collator = new Intl.Collator(undefined, { numeric: true });

export const compare = (a, b) =>
  typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a ?? ''), String(b ?? ''));
