/** A passage that an answer was given; its text is fetched when somebody wants to read it. */

import { html, useSignal } from '../lib/kit.js';
import { useApi } from '../lib/api.js';
import { t } from '../lib/words.js';
import { Waiting } from './basics.js';
import { percent } from './variants.js';

/** `only`: another answer was not given it. `spare`: this answer does not cite it. */
export function Passage({ of, only, spare }) {
  const open = useSignal(false);
  const found = useApi(open.value && `/v1/citations/${of.citation_id}`);
  return html`<li class=${only ? 'only' : ''}><details onToggle=${event => (open.value = event.currentTarget.open)}><summary>[${of.n}] ${of.title || of.url || t('Source')} <span class="soft">${[percent(of.score), of.heading, of.page && t('page {n}', { n: of.page }), spare && t('not cited')].filter(Boolean).join(' · ')}</span>${only && html` <span class="tag">${t('only here')}</span>`}</summary>
    ${open.value && (found.data ? html`<blockquote>${found.data.text}</blockquote>` : html`<${Waiting} error=${found.error} reload=${found.reload}/>`)}</details></li>`;
}
