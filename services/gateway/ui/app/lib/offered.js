/** What this server offers: pages for what it does not are not shown. */

import { signal } from './kit.js';

const routes = signal(new Set());
let asked;

/** Ask once; what the API describes is there. */
export function look() {
  asked ??= fetch('/openapi.json').then(response => response.json()).then(
    description => (routes.value = new Set(Object.keys(description.paths))),
    () => (asked = undefined),
  );
}

export const offers = path => !path || routes.value.has(path);
