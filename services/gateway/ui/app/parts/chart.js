/** Charts in SVG: drawn in real pixels, coloured by the theme, and a table for those who hear them. */

import { html, useEffect, useRef, useSignal } from '../lib/kit.js';
import { number, t } from '../lib/words.js';

const HEIGHT = 200;
const LEFT = 52;
const BELOW = 22;
const COLOURS = 5;

const colour = i => `var(--c${(i % COLOURS) + 1})`;
const day = text => new Intl.DateTimeFormat(document.documentElement.lang, { day: 'numeric', month: 'short' }).format(new Date(text));

/** The least round number that is not below. */
function round(most) {
  const power = 10 ** Math.floor(Math.log10(most || 1));
  return [1, 2, 2.5, 5, 10].map(factor => factor * power).find(value => value >= most);
}

/** Of the element in px, as it changes; 240 at least. */
export function useWidth(ref) {
  const width = useSignal(640);
  useEffect(() => {
    const watch = new ResizeObserver(([{ contentRect }]) => (width.value = Math.max(240, contentRect.width)));
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, []);
  return width.value;
}

/** Stacked bars by day. `days` are dates, `series` name a value for each. Arrow keys go from day to day. */
export function Bars({ days, series, label }) {
  const ref = useRef();
  const width = useWidth(ref);
  const at = useSignal(-1);
  const names = Object.keys(series);
  const step = (width - LEFT) / days.length;
  const total = days.map((_, i) => names.reduce((sum, name) => sum + series[name][i], 0));
  const top = round(Math.max(...total, 1));
  const y = value => (HEIGHT - BELOW) * (1 - value / top);
  const every = Math.ceil(days.length / Math.max(2, Math.floor(width / 110)));
  const move = event => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    at.value = Math.max(0, Math.min(days.length - 1, at.value + by));
  };
  const point = event => {
    const found = Math.floor((event.clientX - ref.current.getBoundingClientRect().left - LEFT) / step);
    at.value = found >= 0 && found < days.length ? found : -1;
  };
  const bar = (i, name, n, below) => html`<rect x=${LEFT + i * step + step * 0.15} width=${step * 0.7} y=${y(below + series[name][i])} height=${y(below) - y(below + series[name][i])} style=${{ fill: colour(n) }}/>`;
  const column = i => {
    let below = 0;
    return names.map((name, n) => {
      const drawn = series[name][i] > 0 && bar(i, name, n, below);
      below += series[name][i];
      return drawn;
    });
  };
  const chosen = at.value;
  return html`<figure class="chart" ref=${ref} onMouseLeave=${() => (at.value = -1)}>
    <svg width=${width} height=${HEIGHT} role="img" aria-label=${label} tabindex="0" onKeyDown=${move} onBlur=${() => (at.value = -1)} onMouseMove=${point}>
      ${[0, 0.5, 1].filter(part => Number.isInteger(top * part)).map(part => html`<line class="axis" x1=${LEFT} x2=${width} y1=${y(top * part)} y2=${y(top * part)}/><text x=${LEFT - 8} y=${Math.max(10, y(top * part) + 4)} text-anchor="end">${number(top * part)}</text>`)}
      ${days.map((date, i) => html`<g opacity=${chosen >= 0 && chosen !== i ? 0.45 : 1}>${column(i)}${i % every === 0 && html`<text x=${LEFT + (i + 0.5) * step} y=${HEIGHT - 4} text-anchor="middle">${day(date)}</text>`}</g>`)}
    </svg>
    ${chosen >= 0 && html`<div class="tip" role="status" style=${{ left: `${Math.min(width - 90, Math.max(90, LEFT + (chosen + 0.5) * step))}px` }}><b>${day(days[chosen])}</b>${names.map(name => html`<div><span>${name}</span><span>${number(series[name][chosen])}</span></div>`)}</div>`}
    <figcaption class="legend soft">${names.map((name, n) => html`<span style=${{ '--k': colour(n) }}>${name}</span>`)}</figcaption>
    <table class="sr"><caption>${label}</caption><tbody><tr><th scope="col">${t('Day')}</th>${names.map(name => html`<th scope="col">${name}</th>`)}</tr>${days.map((date, i) => html`<tr><th scope="row">${date}</th>${names.map(name => html`<td>${series[name][i]}</td>`)}</tr>`)}</tbody></table></figure>`;
}
