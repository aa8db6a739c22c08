/** Making elements without ever parsing HTML. */

const SVG = 'http://www.w3.org/2000/svg';
const PATHS = {
  send: 'M5 12h14M13 6l6 6-6 6',
  stop: 'M7 7h10v10H7z',
  up: 'M7 10v11H3V10zm0 0 4-8c2 0 3 1 3 3v4h5a2 2 0 0 1 2 2l-2 8a2 2 0 0 1-2 2H7',
  down: 'M7 14V3H3v11zm0 0 4 8c2 0 3-1 3-3v-4h5a2 2 0 0 0 2-2l-2-8a2 2 0 0 0-2-2H7',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  fresh: 'M3 12a9 9 0 1 0 3-6.7M3 4v5h5',
  close: 'M6 6l12 12M18 6 6 18',
};

/** An element; names with a dash, `role` and `part` are attributes, all others properties. */
export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'part') made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
