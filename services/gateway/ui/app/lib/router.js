/** Every state of the dashboard has an address below /dashboard. */

import { computed, signal } from './kit.js';

const BASE = '/dashboard';
const here = signal(location.pathname + location.search);
const at = computed(() => new URL(here.value, location.origin));

export const path = computed(() => at.value.pathname.slice(BASE.length).replace(/\/$/, '') || '/');
export const params = computed(() => at.value.searchParams);
export const href = (to, query = {}) => {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  return BASE + (to === '/' ? '' : to) + (asked.size ? `?${asked}` : '');
};

export function go(to, query, { replace = false } = {}) {
  const target = href(to, query);
  history[replace ? 'replaceState' : 'pushState'](null, '', target);
  here.value = target;
}

/** Change parameters of the page that is open. */
export const set = changes => go(path.value, { ...Object.fromEntries(params.value), ...changes }, { replace: true });

addEventListener('popstate', () => (here.value = location.pathname + location.search));
document.addEventListener('click', event => {
  const link = event.target.closest?.('a[href]');
  const own = link?.origin === location.origin && link.pathname.startsWith(BASE) && !link.pathname.startsWith(`${BASE}/assets/`);
  if (!own || link.target || link.download || event.defaultPrevented) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button) return;
  event.preventDefault();
  history.pushState(null, '', link.href);
  here.value = link.pathname + link.search;
  scrollTo(0, 0);
  document.getElementById('main')?.focus({ preventScroll: true });
});
