/** Making a question that was really asked one that a bot is tested with. */

import { html, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { href } from '../lib/router.js';
import { t } from '../lib/words.js';
import { Choice, Dialog, Field, Form, Waiting, tell } from './basics.js';

const LONGEST = 2000;
const MADE = 'new';

/** An answer as somebody might have expected it: without the numbers of its passages. */
const expected = answer => answer.replace(/\s*\[\d+\]/g, '').slice(0, LONGEST);

/** `asked` is {bot, turn, question}, with `answer` where the one that was given may be expected again. */
export function AddToSuite({ asked, close }) {
  const base = `/v1/bot-profiles/${asked.bot}/suites`;
  const suites = useApi(base);
  const picked = useSignal(null);
  const refused = useSignal(false);
  if (!suites.data) return html`<${Dialog} title=${t('Add to a suite')} close=${close}><${Waiting} error=${suites.error} reload=${suites.reload}/></>`;
  const suite = picked.value ?? suites.data[0]?.id ?? MADE;
  const send = async ({ title, answer }) => {
    const id = suite === MADE ? (await api.post(base, { title })).id : suite;
    // Should the question be refused now, the next try finds the suite that was made.
    picked.value = id;
    if (suite === MADE) await suites.reload();
    await api.post(`${base}/${id}/questions`, { turn_id: asked.turn, refused: refused.value, ...(answer && !refused.value && { expected_answer: answer }) });
    tell(t('Added. The next run asks it.'));
    close();
  };
  return html`<${Dialog} title=${t('Add to a suite')} close=${close}><blockquote class="asked">${asked.question}</blockquote>
    <${Form} send=${send} action=${t('Add')}>
      <${Field} label=${t('Suite')}><select class="f" name="suite" onChange=${event => (picked.value = event.target.value)}>${suites.data.map(one => html`<option value=${one.id} selected=${one.id === suite}>${one.title}</option>`)}<option value=${MADE} selected=${suite === MADE}>${t('New suite')}</option></select></>
      ${suite === MADE && html`<${Field} label=${t('Title of the suite')}><input class="f" name="title" maxlength="255" required/></>`}
      <${Choice} legend=${t('What the bot should do')} of="refused" radios>${[[false, t('Answer it')], [true, t('Say that it does not know')]].map(([value, label]) => html`<label class="check"><input type="radio" name="refused" checked=${refused.value === value} onChange=${() => (refused.value = value)}/> ${label}</label>`)}</>
      ${!refused.value && html`<${Field} label=${t('Expected answer')} of="expected_answer" hint=${t('May stay empty: then a cited answer counts.')}><textarea class="f" name="answer" rows="4" maxlength=${LONGEST} defaultValue=${asked.answer ? expected(asked.answer) : ''}/></>`}
      <p class="soft">${t('The question is erased together with its chat.')} <a class="link" href=${href('/playground', { bot: asked.bot, ...(suite !== MADE && { suite }) })}>${t('Playground')}</a></p></></>`;
}
