/** Taking along what the API answers. */

import { Icon, html, useSignal } from '../lib/kit.js';
import { call, explained } from '../lib/api.js';
import { tell } from './basics.js';

const KEPT_MS = 10_000;

/** A link could not carry the access token. */
async function save(path, name) {
  const blob = await (await call('GET', path)).blob();
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}

/** A button that saves what `path` answers as a file `name`. */
export function Download({ path, name, label }) {
  const busy = useSignal(false);
  const take = async () => {
    busy.value = true;
    await save(path, name).catch(error => tell(explained(error)));
    busy.value = false;
  };
  return html`<button class="btn" type="button" disabled=${busy.value} onClick=${take}><${Icon} name="download"/>${label}</button>`;
}
