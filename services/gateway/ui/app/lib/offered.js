/** What this server offers: pages for what it does not are not shown. */

import { signal, useEffect } from './kit.js';
import { useApi } from './api.js';

const routes = signal(new Set());

/** Ask; what the API describes is there. */
export function useOffered() {
  const { data } = useApi('/openapi.json');
  useEffect(() => {
    if (data) routes.value = new Set(Object.keys(data.paths));
  }, [data]);
}

export const offers = path => !path || routes.value.has(path);
