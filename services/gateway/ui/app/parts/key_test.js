/** Whether a model answers with a key: asked for a word, and told how that went. */

import { html, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { href } from '../lib/router.js';
import { number, t } from '../lib/words.js';
import { Field, Form, Trouble, Waiting } from './basics.js';

export const MODELS = ['local/extractive', 'gpt-4o-mini', 'gpt-4o', 'anthropic/claude-haiku-4-5', 'gemini/gemini-2.0-flash', 'ollama/llama3.1'];
const OUTCOMES = {
  works: 'It works.',
  no_key: 'There is no key for this model. The built-in answerer would step in.',
  bad_key: 'The provider refused the key.',
  no_quota: 'The account that pays has nothing left.',
  rate_limited: 'The key is good, but the provider takes no more requests at the moment.',
  misconfigured: 'The provider does not know this model, or the address cannot be used.',
  unreachable: 'The provider did not answer.',
  failed: 'The provider failed.',
};

const test = body => api.post('/v1/providers/test', body);

export const Outcome = ({ of }) => html`<p class="outcome" role="status">${of && html`<span class=${`st ${of.outcome === 'works' ? 'ready' : 'error'}`}>${t(OUTCOMES[of.outcome] ?? of.outcome)}</span> <span class="soft"><span class="mono">${of.model}</span> · ${number(Math.round(of.latency_ms))} ms</span>`}</p>`;

/** A button for what stands in a form, saved or not; `body()` gives what is tested. */
export function KeyTest({ body }) {
  const state = useSignal({});
  const run = async () => {
    state.value = { busy: true };
    try {
      state.value = { told: await test(body()) };
    } catch (error) {
      state.value = { error };
    }
  };
  const { busy, told, error } = state.value;
  return html`<div class="bar keytest"><button class="btn" type="button" disabled=${busy} onClick=${run}>${busy ? t('One moment…') : t('Test model and key')}</button><${Outcome} of=${told}/><${Trouble} error=${error}/></div>`;
}

export const credentialsOf = ({ api_key, api_base }) => {
  const given = { ...(api_key && { api_key }), ...(api_base && { api_base }) };
  return Object.keys(given).length ? given : null;
};

/** For keys that are not given to a bot yet, and for those that bots have. */
export function Providers() {
  const bots = useApi('/v1/bot-profiles');
  const told = useSignal(null);
  const send = async fields => {
    told.value = null;
    const credentials = credentialsOf(fields);
    told.value = await test({ model: fields.model, ...(credentials && { credentials }) });
  };
  return html`<section class="sec"><header><h2>${t('Language models and keys')}</h2></header>
    <div class="cols even"><div><h3>${t('A key that you have')}</h3><p class="soft">${t('It is asked for one word, which costs a few tokens. Nothing of it is kept.')}</p>
      <${Form} send=${send} action=${t('Test model and key')}><${Field} label=${t('Model')}><input class="f mono" name="model" maxlength="100" list="tested" required/></><datalist id="tested">${MODELS.map(name => html`<option value=${name}/>`)}</datalist>
        <${Field} label=${t('API key')} of="credentials.api_key" hint=${t('Empty: what the operator has set.')}><input class="f" name="api_key" type="password" autocomplete="off"/></><${Field} label=${t('API address')} of="credentials.api_base" hint=${t('For compatible servers.')}><input class="f mono" name="api_base" placeholder="https://"/></></><${Outcome} of=${told.value}/></div>
    <div><h3>${t('What your bots have')}</h3>${bots.data?.length === 0 ? html`<p class="soft">${t('No bot yet')}</p>` : bots.data ? html`<ul class="list tested">${bots.data.map(bot => html`<li key=${bot.id}><a href=${href(`/bots/${bot.id}`)}>${bot.name || t('(unnamed)')}</a><span class="soft"><span class="mono">${bot.model}</span> · ${bot.has_credentials ? t('own key') : t('no key of its own')}</span><${KeyTest} body=${() => ({ model: bot.model, bot_profile_id: bot.id })}/></li>`)}</ul>` : html`<${Waiting} error=${bots.error} reload=${bots.reload}/>`}</div></div></section>`;
}
