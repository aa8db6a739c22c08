/** Below an answer of a transcript: the passages that it cites, and apart from them what else it was given. */

import { html, useSignal } from '../lib/kit.js';
import { useApi } from '../lib/api.js';
import { counted, t } from '../lib/words.js';
import { Waiting } from './basics.js';
import { Passage } from './passage.js';
import { numbers } from '../../widget/cited.js';

const List = ({ of }) => html`<ol class="passages">${of.map(citation => html`<${Passage} key=${citation.citation_id} of=${citation}/>`)}</ol>`;

export function Cited({ message }) {
  const open = useSignal(false);
  const turn = useApi(open.value && `/v1/chat/turns/${message.turn_id}`);
  const quoted = numbers(message.content);
  if (!message.turn_id || quoted.size === 0) return null;
  const given = turn.data?.citations ?? [];
  const spare = given.filter(({ n }) => !quoted.has(n));
  return html`<details class="cited" onToggle=${event => (open.value = event.currentTarget.open)}><summary>${counted(quoted.size, '1 source', '{n} sources')}</summary>
    ${open.value && (turn.data ? html`<${List} of=${given.filter(({ n }) => quoted.has(n))}/>
      ${spare.length > 0 && html`<p class="soft">${t('Given to it, but not cited')}</p><${List} of=${spare}/>`}` : html`<${Waiting} error=${turn.error} reload=${turn.reload}/>`)}</details>`;
}
