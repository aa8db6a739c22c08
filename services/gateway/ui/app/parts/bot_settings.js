/** What shapes a bot: how it answers, with which model, and how careful it is. */

import { html, useRef } from '../lib/kit.js';
import { api } from '../lib/api.js';
import { t } from '../lib/words.js';
import { Check, Field, Form, tell } from './basics.js';
import { KeyTest, MODELS, credentialsOf } from './key_test.js';

/** What can be tried unsaved, and how the form calls it. */
const TRIED = {
  system_prompt: 'Instructions', model: 'Model', temperature: 'Temperature', max_tokens: 'Longest answer, in tokens', floor: 'Evidence that an answer needs',
  refusal_text: 'What it says when it does not know', link_hosts: 'Hosts that answers may link to', fallback_models: 'Other models, when this one fails', check_claims: 'Have a model check that the passages support the answer',
};
export const nameOf = field => t(TRIED[field]);

const lines = text => text.split(/[\s,]+/).filter(Boolean);
const or = (text, value) => (text === '' ? value : Number(text));

/** The body of a PATCH from the fields of the form. */
function bodyOf({ api_key, api_base, temperature, max_tokens, floor, refusal_text, fallback_models, link_hosts, is_active, check_claims, cache_answers, ...texts }) {
  const credentials = credentialsOf({ api_key, api_base });
  return {
    ...texts,
    temperature: Number(temperature),
    max_tokens: Number(max_tokens),
    floor: or(floor, null),
    refusal_text: refusal_text || null,
    fallback_models: lines(fallback_models),
    link_hosts: lines(link_hosts),
    is_active: is_active === 'on',
    check_claims: check_claims === 'on',
    cache_answers: cache_answers === 'on',
    ...(credentials && { credentials }),
  };
}

/** What the form says otherwise than the bot, of what can be tried; null for nothing. */
function draftOf(form, bot) {
  const body = bodyOf(Object.fromEntries(new FormData(form)));
  const other = Object.keys(TRIED).filter(name => form.elements[name].checkValidity() && JSON.stringify(body[name]) !== JSON.stringify(bot[name]));
  return other.length ? Object.fromEntries(other.map(name => [name, body[name]])) : null;
}

/** `drafted` gets what is unsaved, as often as it changes. */
export function Settings({ bot, saved, drafted }) {
  const send = async fields => {
    await api.patch(`/v1/bot-profiles/${bot.id}`, bodyOf(fields));
    tell(t('Saved. The next answer uses it.'));
    saved();
  };
  const check = (name, label, hint) => html`<${Check} name=${name} label=${label} hint=${hint} defaultChecked=${bot[name]}/>`;
  const ref = useRef();
  const tested = () => {
    const fields = Object.fromEntries(new FormData(ref.current.closest('form')));
    const credentials = credentialsOf(fields);
    return { model: fields.model, ...(credentials ? { credentials } : { bot_profile_id: bot.id }) };
  };
  const typed = event => drafted(draftOf(event.currentTarget, bot));
  return html`<${Form} send=${send} typed=${typed} action=${t('Save')} wide>
    <${Field} label=${t('Name')}><input class="f" name="name" maxlength="255" defaultValue=${bot.name}/></>
    <${Field} label=${t('Description')}><input class="f" name="description" maxlength="1000" defaultValue=${bot.description}/></>
    <${Field} label=${t('Instructions')} hint=${t('How it should answer. What it knows comes from the sources.')}><textarea class="f" name="system_prompt" rows="6" defaultValue=${bot.system_prompt}></textarea></>
    <${Field} label=${t('Model')} hint=${t('Any LiteLLM name, or local/extractive, which needs no key.')}><input class="f mono" name="model" maxlength="100" defaultValue=${bot.model} list="models"/></>
    <datalist id="models">${MODELS.map(name => html`<option value=${name}/>`)}</datalist>
    <div class="pair"><${Field} label=${t('API key')} of="credentials.api_key" hint=${bot.has_credentials ? t('One is kept; it is never shown.') : t('None is kept.')}><input class="f" name="api_key" type="password" autocomplete="off"/></>
      <${Field} label=${t('API address')} of="credentials.api_base" hint=${t('For compatible servers.')}><input class="f mono" name="api_base" placeholder="https://"/></></div>
    <div ref=${ref}><${KeyTest} body=${tested}/></div>
    <div class="pair"><${Field} label=${t('Temperature')}><input class="f" name="temperature" type="number" min="0" max="2" step="0.1" defaultValue=${bot.temperature}/></>
      <${Field} label=${t('Longest answer, in tokens')}><input class="f" name="max_tokens" type="number" min="1" max="128000" defaultValue=${bot.max_tokens}/></></div>
    ${check('is_active', t('It answers'))}${check('cache_answers', t('Give an answer again to the same question'), t('As long as its sources stay as they are.'))}
    <details><summary>${t('When it should not answer, and what it may link to')}</summary><div class="form wide">
      <${Field} label=${t('Evidence that an answer needs')} hint=${t('0 to 1; empty: as measured. The retrieval tab shows what it would let through.')}><input class="f" name="floor" type="number" min="0" max="1" step="0.01" defaultValue=${bot.floor ?? ''}/></>
      <${Field} label=${t('What it says when it does not know')} hint=${t('Empty: a sentence in the language of the question.')}><input class="f" name="refusal_text" maxlength="1000" defaultValue=${bot.refusal_text ?? ''}/></>
      <${Field} label=${t('Hosts that answers may link to')} hint=${t('Besides those of its sources, one in each line; *.example.com is all below.')}><textarea class="f mono" name="link_hosts" rows="2" defaultValue=${bot.link_hosts.join('\n')}></textarea></>
      <${Field} label=${t('Other models, when this one fails')} hint=${t('At most three, in this order.')}><textarea class="f mono" name="fallback_models" rows="2" defaultValue=${bot.fallback_models.join('\n')}></textarea></>
      ${check('check_claims', t('Have a model check that the passages support the answer'))}</div></details></>`;
}
