/** Letting a bot answer as a variant of a run did, if its gate lets that through. */

import { Icon, html, useSignal } from '../lib/kit.js';
import { api, explained } from '../lib/api.js';
import { t } from '../lib/words.js';
import { Dialog, Field, Form, tell } from './basics.js';
import { letter, named, ofIndex, shown, sureness } from './variants.js';

const CONFLICT = 409;

/** What the gate has to go by: its suite, and how the variant did against what is published. */
function Gate({ bot, run, by, suites }) {
  if (!bot.gate_suite_id) return html`<p class="soft">${t('This bot has no gate: nothing has to be proven.')}</p>`;
  const gate = suites.find(one => one.id === bot.gate_suite_id);
  return html`<p>${t('The gate demands a run of the suite “{title}” in which this variant is not significantly worse than what is published.', { title: gate?.title ?? bot.gate_suite_id })}</p>
    ${run.suite_id !== bot.gate_suite_id && html`<p class="bad">${t('This run is of another suite.')}</p>`}
    ${by && html`<p>${t('In this run:')} ${sureness(by)}</p>`}`;
}

function Changes({ bot, changes }) {
  return html`<dl class="changes">${Object.entries(changes).map(([field, value]) => html`<div><dt>${named(field)}</dt><dd><del>${shown(bot[field], field)}</del> <span aria-hidden="true">→</span> <ins>${shown(value, field)}</ins></dd></div>`)}</dl>`;
}

function Ask({ bot, run, variant, by, suites, close, published }) {
  const refused = useSignal(null);
  const { title, changes } = run.variants[variant];
  const anew = Object.keys(changes).some(ofIndex);
  const send = async ({ reason }) => {
    refused.value = null;
    try {
      await api.post(`/v1/bot-profiles/${bot.id}/playground/runs/${run.id}/publish`, { variant, reason });
    } catch (error) {
      if (error.status !== CONFLICT) throw error;
      refused.value = error;
      return;
    }
    tell(anew ? t('Published. The index is made anew beside the old one.') : t('Published. The next answer uses it.'));
    published();
    close();
  };
  return html`<${Dialog} title=${t('Publish variant {letter}, “{title}”', { letter: letter(variant), title })} close=${close}>
    <${Changes} bot=${bot} changes=${changes}/>${anew && html`<p class="soft">${t('The bot goes on answering from the old index until the other one is complete.')}</p>`}<${Gate} bot=${bot} run=${run} by=${by} suites=${suites}/>
    <${Form} send=${send} action=${t('Publish')}><${Field} label=${t('Reason')} hint=${t('It stands in the list of versions.')}><textarea class="f" name="reason" rows="2" maxlength="1000"/></>
      ${refused.value && html`<div class="problem refusal" role="alert"><p><b>${t('It was not published.')}</b></p><p>${explained(refused.value)}</p></div>`}</></>`;
}

/** A button for a variant that changes something. `by` is its difference from the first one, if there is one. */
export function Publish({ bot, run, variant, by, suites, published }) {
  const asking = useSignal(false);
  if (run.status !== 'ended' || Object.keys(run.variants[variant].changes).length === 0) return null;
  return html`<div><button class="btn" type="button" aria-label=${`${t('Publish')} ${letter(variant)}`} onClick=${() => (asking.value = true)}><${Icon} name="check"/>${t('Publish')}</button></div>
    ${asking.value && html`<${Ask} bot=${bot} run=${run} variant=${variant} by=${by} suites=${suites} close=${() => (asking.value = false)} published=${published}/>`}`;
}
