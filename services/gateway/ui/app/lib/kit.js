/** What every page is written with. */

import { createContext, h, render } from 'preact';
import { useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useRef } from 'preact/hooks';
import { computed, effect, signal, useSignal } from '@preact/signals';
import htm from 'htm';

export const html = htm.bind(h);
export { computed, createContext, effect, render, signal, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useRef, useSignal };

const PATHS = {
  home: 'M4 11 12 4l8 7v9h-5v-6H9v6H4z',
  bot: 'M5 9h14v10H5zM12 9V5M9 13v2M15 13v2M2 13v3M22 13v3',
  library: 'M5 4v16M9 4v16M13 5l5 14',
  chats: 'M4 5h12v9H9l-4 3v-3H4zM19 9h1v9h-1v3l-4-3h-4v-1',
  key: 'M14 10a4 4 0 1 0-2 3.5L14 15h2v2h2v2h3v-3l-7-6z',
  users: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6.5M18 14.5a6.5 6.5 0 0 1 3.5 5.5',
  settings: 'M4 7h10M18 7h2M16 5v4M4 17h2M10 17h10M8 15v4',
  hook: 'M9 12a4 4 0 1 1 3-7M12 8l4 7a4 4 0 1 1-3 5M8 16H5',
  pulse: 'M3 12h4l3-8 4 16 3-8h4',
  list: 'M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01',
  purse: 'M4 7h15v12H4zM4 7l11-4v4M15 12h5v3h-5z',
  flask: 'M9 3h6M10 3v6L4 20h16L14 9V3M7 15h10',
  gap: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 17h.01',
  undo: 'M4 10h10a5 5 0 0 1 0 10h-4M8 6l-4 4 4 4',
  pause: 'M9 5v14M15 5v14',
  play: 'M7 4l12 8-12 8z',
  chart: 'M4 20V4M4 20h16M8 16v-5M12 16V7M16 16v-3',
  plus: 'M12 5v14M5 12h14',
  globe: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18',
  upload: 'M12 16V5M7 10l5-5 5 5M5 20h14',
  text: 'M6 3h9l4 4v14H6zM9 12h7M9 16h7',
  refresh: 'M20 11a8 8 0 0 0-14-4L3 10M3 5v5h5M4 13a8 8 0 0 0 14 4l3-3M21 19v-5h-5',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v6M14 11v6',
  close: 'M6 6l12 12M18 6 6 18',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5',
  moon: 'M20 14A8 8 0 1 1 10 4a6.5 6.5 0 0 0 10 10z',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 12l5 5 9-10',
  external: 'M14 4h6v6M20 4l-9 9M18 14v6H4V6h6',
  leave: 'M10 4H4v16h6M15 8l4 4-4 4M19 12H9',
  download: 'M12 4v11M7 10l5 5 5-5M5 20h14',
  up: 'M7 10v11H3V10zm0 0 4-8c2 0 3 1 3 3v4h5a2 2 0 0 1 2 2l-2 8a2 2 0 0 1-2 2H7',
  down: 'M7 14V3H3v11zm0 0 4 8c2 0 3-1 3-3v-4h5a2 2 0 0 0 2-2l-2-8a2 2 0 0 0-2-2H7',
};

export const Icon = ({ name }) =>
  html`<svg class="i" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]}/></svg>`;

/** Put text into the clipboard; true if it is there. */
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
