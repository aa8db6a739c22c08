/** Which words of a text another one does not have, by their longest common sequence. */

/** Words of a text that are looked at; the rest is told as it is. */
const MOST = 400;

/** `after` in pieces, each with whether `before` lacks it. */
export function words(before, after) {
  const split = text => text.split(/(?<=\s)/u);
  const [a, b] = [split(before).slice(0, MOST), split(after).slice(0, MOST)];
  const same = (i, j) => a[i].trim() === b[j].trim();
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i][j] = same(i, j) ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const told = [];
  const say = (text, added) => {
    const last = told.at(-1);
    if (last && last[1] === added) last[0] += text;
    else told.push([text, added]);
  };
  let i = 0;
  for (let j = 0; j < b.length; ) {
    if (i < a.length && same(i, j)) {
      say(b[j++], false);
      i++;
    } else if (i < a.length && lengths[i + 1][j] >= lengths[i][j + 1]) i++;
    else say(b[j++], true);
  }
  const rest = split(after).slice(MOST).join('');
  if (rest) say(rest, false);
  return told;
}
