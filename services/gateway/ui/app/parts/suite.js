/** Test suites of a bot, and the questions of one. */

import { Icon, html, useRef, useSignal } from '../lib/kit.js';
import { api, explained, useApi } from '../lib/api.js';
import { set } from '../lib/router.js';
import { counted, t } from '../lib/words.js';
import { Check, Dialog, Field, Form, Sure, Waiting, tell } from './basics.js';
import { Download } from './download.js';
import { Table } from './table.js';

const lines = text => text.split('\n').map(one => one.trim()).filter(Boolean);

export function Suites({ bot, suites, chosen, may, changed }) {
  const making = useSignal(false);
  const make = async ({ title }) => {
    const suite = await api.post(`/v1/bot-profiles/${bot.id}/suites`, { title });
    making.value = false;
    set({ suite: suite.id, run: null });
    changed();
  };
  const guard = async event => {
    const gate = event.target.checked ? chosen.id : null;
    try {
      await api.patch(`/v1/bot-profiles/${bot.id}`, { gate_suite_id: gate });
      tell(t('Saved.'));
    } catch (error) {
      event.target.checked = !event.target.checked;
      tell(explained(error));
    }
    changed();
  };
  return html`<div class="bar">${suites.length > 0 && html`<select class="f" aria-label=${t('Suite')} onChange=${event => set({ suite: event.target.value, run: null })}>${suites.map(one => html`<option value=${one.id} selected=${one.id === chosen?.id}>${one.title} · ${counted(one.questions, '1 question', '{n} questions')}</option>`)}</select>`}
    ${may && html`<button class="btn" onClick=${() => (making.value = true)}><${Icon} name="plus"/>${t('New suite')}</button>`}
    ${may && chosen && html`<label class="check"><input type="checkbox" checked=${bot.gate_suite_id === chosen.id} onChange=${guard}/> <span>${t('Gate of the bot')} <small class="soft">${t('What shapes its answers is then changed only by a variant that holds its own in this suite.')}</small></span></label>`}
    ${making.value && html`<${Dialog} title=${t('New suite')} close=${() => (making.value = false)}><${Form} send=${make} action=${t('Save')}><${Field} label=${t('Title')}><input class="f" name="title" maxlength="255" required/></></></>`}</div>`;
}

function Add({ base, close, saved }) {
  const send = async ({ question, must, must_not, sources, expected, refused }) => {
    await api.post(`${base}/questions`, {
      question,
      must: lines(must),
      must_not: lines(must_not),
      expected_sources: lines(sources),
      ...(expected && { expected_answer: expected }),
      refused: refused === 'on',
    });
    tell(t('Saved.'));
    saved();
  };
  return html`<${Dialog} title=${t('Add a question')} close=${close}><${Form} send=${send} action=${t('Save')}>
    <${Field} label=${t('Question')}><input class="f" name="question" maxlength="2000" required/></>
    <${Field} label=${t('Expected sources')} of="expected_sources" hint=${t('Name, address or id, one in each line; any of them will do.')}><textarea class="f" name="sources" rows="2"/></>
    <${Field} label=${t('It must say')} hint=${t('One in each line.')}><textarea class="f" name="must" rows="2"/></>
    <${Field} label=${t('It must not say')} hint=${t('One in each line.')}><textarea class="f" name="must_not" rows="2"/></>
    <${Field} label=${t('Expected answer')} of="expected_answer"><textarea class="f" name="expected" rows="2" maxlength="2000"/></>
    <${Check} name="refused" label=${t('The bot should say that it does not know')}/></></>`;
}

export function Questions({ bot, suite, may, changed }) {
  const base = `/v1/bot-profiles/${bot.id}/suites/${suite.id}`;
  const questions = useApi(`${base}/questions`);
  const adding = useSignal(false);
  const begun = useRef();
  if (!questions.data) return html`<${Waiting} error=${questions.error} reload=${questions.reload}/>`;
  // Whoever fills an empty suite adds more than one: it does not close over the first.
  begun.current ??= questions.data.length === 0;
  const again = () => {
    adding.value = false;
    questions.reload();
    changed();
  };
  const take = async event => {
    const [file] = event.target.files;
    try {
      if (file) await api.post(`${base}/import`, { csv: await file.text() });
    } catch (error) {
      tell(explained(error));
    }
    event.target.value = '';
    again();
  };
  const asks = one => [one.refused && t('refuses'), one.expected_sources.length && t('source'), (one.must.length || one.must_not.length) && t('words'), one.expected_answer && t('answer')].filter(Boolean).join(', ');
  const columns = [
    { key: 'question', label: t('Question') },
    { key: 'asks', label: t('What counts'), sort: asks, text: asks, cell: one => html`<span class="soft">${asks(one) || t('a cited answer')}</span>` },
    ...(may ? [{ key: 'act', label: '', cell: one => html`<${Sure} label=${t('Remove')} question=${t('Runs that asked it keep it.')} act=${() => api.delete(`${base}/questions/${one.id}`).then(again)}/>` }] : []),
  ];
  return html`<details open=${begun.current}><summary>${counted(questions.data.length, '1 question', '{n} questions')}</summary>
    <div class="bar">${may && html`<button class="btn" onClick=${() => (adding.value = true)}><${Icon} name="plus"/>${t('Add a question')}</button>
      <label class="btn"><${Icon} name="upload"/>${t('Import CSV')}<input class="sr" type="file" accept=".csv,text/csv" onChange=${take}/></label>`}
      <${Download} path=${`${base}/export`} name=${`${suite.title}.csv`} label=${t('Export CSV')}/>
      ${may && html`<${Sure} label=${t('Delete the suite')} question=${t('What was run with it stays readable.')} act=${() => api.delete(base).then(() => set({ suite: null, run: null })).then(changed)}/>`}</div>
    ${questions.data.length > 0 && html`<${Table} rows=${questions.data} columns=${columns} caption=${t('Questions')}/>`}
    ${adding.value && html`<${Add} base=${base} close=${() => (adding.value = false)} saved=${again}/>`}</details>`;
}
