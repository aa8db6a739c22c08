/** What a source was, what changed, and taking a change back. */

import { html, useSignal } from '../lib/kit.js';
import { api, mayChange, useApi } from '../lib/api.js';
import { counted, moment, number, t } from '../lib/words.js';
import { Sure, Waiting, tell } from './basics.js';

const KINDS = { '+': 'plus', '-': 'minus', '@': 'place' };

function Changes({ id, revision }) {
  const found = useApi(`/v1/sources/${id}/revisions/${revision}/diff`);
  if (!found.data) return html`<${Waiting} error=${found.error} reload=${found.reload}/>`;
  const { added, removed, lines, shortened } = found.data;
  if (lines.length === 0) return html`<p class="soft">${t('The text is the same.')}</p>`;
  return html`<p class="soft">${counted(added, '1 line more', '{n} lines more')}, ${counted(removed, '1 line less', '{n} lines less')}</p>
    <div class="diff" tabindex="0" role="group" aria-label=${t('What changed')}>${lines.map(line => html`<div class=${KINDS[line[0]]}>${line[0] === '+' || line[0] === '-' ? html`<span class="sr">${line[0] === '+' ? t('added') : t('removed')} </span>` : ''}${line}</div>`)}</div>
    ${shortened && html`<p class="soft">${t('There is more; this is the beginning.')}</p>`}`;
}

export function Revisions({ id, changed }) {
  const found = useApi(`/v1/sources/${id}/revisions`, { every: 5000 });
  const open = useSignal(null);
  if (!found.data) return html`<${Waiting} error=${found.error} reload=${found.reload}/>`;
  if (found.data.length === 0) return html`<p class="soft">${t('None. It has not been read yet.')}</p>`;
  const undo = async () => {
    await api.post(`/v1/sources/${id}/undo`);
    tell(t('The revision before answers again.'));
    found.reload();
    changed();
  };
  const first = Math.min(...found.data.map(one => one.revision));
  return html`${mayChange() && found.data.length > 1 && html`<div><${Sure} label=${t('Undo the last change')} question=${t('The revision before answers again; nothing is read anew.')} act=${undo} icon="undo"/></div>`}
    <ol class="revisions">${found.data.map(one => html`<li key=${one.revision}><header><b>${t('Revision {n}', { n: number(one.revision) })}</b>${one.answers && html`<mark>${t('answers')}</mark>`}<span class="soft">${moment(one.prepared_at)}</span></header>
      <p class="soft">${[counted(one.chunk_count, '1 passage', '{n} passages'), counted(one.characters, '1 character', '{n} characters'), counted(one.embedded_count, '1 embedded anew', '{n} embedded anew')].join(' · ')}${one.restored_from ? html` · ${t('as revision {n} was', { n: number(one.restored_from) })}` : ''}</p>
      ${one.revision > first && html`<button class="btn fit" type="button" aria-expanded=${open.value === one.revision} onClick=${() => (open.value = open.value === one.revision ? null : one.revision)}>${t('What changed')}</button>`}
      ${open.value === one.revision && html`<${Changes} id=${id} revision=${one.revision}/>`}</li>`)}</ol>`;
}
