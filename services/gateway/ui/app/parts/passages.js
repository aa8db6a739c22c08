/** The passages of a source in the order of its text. */

import { html, useSignal } from '../lib/kit.js';
import { useApi } from '../lib/api.js';
import { t } from '../lib/words.js';
import { Waiting } from './basics.js';

const STEP = 20;
/** With one more to see whether there are more: what the API gives at once. */
const MOST = 99;

export function Passages({ id }) {
  const limit = useSignal(STEP);
  const found = useApi(`/v1/sources/${id}/chunks?limit=${limit.value + 1}`);
  const { data } = found;
  if (!data) return html`<${Waiting} error=${found.error} reload=${found.reload}/>`;
  if (data.length === 0) return html`<p class="soft">${t('None. It has not been read yet.')}</p>`;
  const shown = data.slice(0, limit.value);
  return html`<ol class="passages">${shown.map(chunk => html`<li key=${chunk.id}><p class="soft">${[chunk.heading, chunk.page && t('page {n}', { n: chunk.page }), chunk.language].filter(Boolean).join(' · ')}</p><blockquote>${chunk.text}</blockquote></li>`)}</ol>
    ${data.length > limit.value && limit.value < MOST && html`<button class="btn fit" type="button" onClick=${() => (limit.value = Math.min(MOST, limit.value + STEP))}>${t('Show more')}</button>`}`;
}
