/** From nothing to a bot on one's own page. */

import { html, useEffect, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { href, params, set } from '../lib/router.js';
import { t } from '../lib/words.js';
import { Field, Head, Waiting } from '../parts/basics.js';
import { Chat } from '../parts/chat.js';
import { Embed } from '../parts/embed.js';
import { Progress } from '../parts/progress.js';
import { SourceForm } from '../parts/source_form.js';

const Step = ({ n, title, done, children }) => html`<section class=${`step ${done ? 'done' : ''}`} aria-labelledby=${`step${n}`}><span class="n" aria-hidden="true">${done ? '✓' : n}</span>
  <div><h2 id=${`step${n}`}>${title}</h2>${children}</div></section>`;

function First() {
  let made;
  const bot = async ({ bot_name: name }) => {
    // When the source is refused, the next attempt goes on with the bot that is there.
    made ??= await api.post('/v1/bot-profiles', { name: name || t('Assistant'), system_prompt: t('Answer the questions of our visitors, briefly and in a friendly tone.') });
    return made.id;
  };
  return html`<${SourceForm} bot=${bot} added=${source => set({ bot: source.bot_profile_id, source: source.id })} action=${t('Read it')}>
    <${Field} label=${t('Name of the bot')}><input class="f" name="bot_name" maxlength="255" placeholder=${t('Assistant')}/></></>`;
}

function Rest({ bot, source }) {
  const ready = useSignal(false);
  const asked = useSignal(false);
  const found = useApi(`/v1/bot-profiles/${bot}`);
  const read = useApi(`/v1/sources/${source}`);
  if (!found.data || !read.data) return html`<${Waiting} error=${found.error ?? read.error} reload=${found.reload}/>`;
  const url = read.data.config.url;
  return html`<${Step} n="1" title=${t('{bot} reads {source}', { bot: found.data.name, source: read.data.name })} done=${ready.value}>
      <${Progress} id=${source} watch=${!ready.value} ready=${() => html`<${Ready} is=${ready}/>`}/></>
    <${Step} n="2" title=${t('Ask it something')} done=${asked.value}>${ready.value
      ? html`<div class="ask"><${Chat} bot=${bot} answered=${() => (asked.value = true)}/></div>`
      : html`<p class="soft">${t('As soon as it has read.')}</p>`}</>
    <${Step} n="3" title=${t('Put it on your website')}><${Embed} bot=${found.data} site=${url ? new URL(url).origin : ''}/></>
    <p><a class="btn" href=${href(`/bots/${bot}`)}>${t('Go on with this bot')}</a></p>`;
}

function Ready({ is }) {
  useEffect(() => {
    is.value = true;
  }, []);
  return null;
}

export default function Start() {
  const bot = params.value.get('bot');
  const source = params.value.get('source');
  return html`<${Head} title=${t('Set up a bot')} lead=${t('Give it something to read, ask it something, and take it to your website.')}/>
    <div class="steps">${bot && source ? html`<${Rest} bot=${bot} source=${source}/>` : html`<${Step} n="1" title=${t('Give it something to read')}><${First}/></>
      <${Step} n="2" title=${t('Ask it something')}/><${Step} n="3" title=${t('Put it on your website')}/>`}</div>`;
}
