/** The line for a website, and the public key in it. */

import { html, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { t } from '../lib/words.js';
import { Code, Field, Form, Waiting } from './basics.js';

const LOADER = '/dashboard/widget/minirag-widget.js';
const DEFAULTS = { heading: '', greeting: '', starters: '', accent: '#c6f135', launcher: '#14181a', position: 'right', theme: 'auto', lang: '' };

const escaped = text => text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');

/** The script tag, with what differs from the defaults. */
export function snippet(key, look) {
  const own = Object.entries(look).filter(([name, value]) => value && value !== DEFAULTS[name]);
  const attributes = own.map(([name, value]) => `\n        data-${name}="${escaped(value)}"`).join('');
  return `<script src="${location.origin}${LOADER}"\n        data-key="${key}"${attributes} async></script>`;
}

function Look({ look }) {
  const change = event => (look.value = { ...look.value, [event.target.name]: event.target.value });
  const field = (name, label, hint) => html`<${Field} label=${label} hint=${hint}><input class="f" name=${name} value=${look.value[name]} onInput=${change}/></>`;
  const choice = (name, label, values) => html`<${Field} label=${label}><select class="f" name=${name} value=${look.value[name]} onChange=${change}>${values.map(([value, text]) => html`<option value=${value} selected=${look.value[name] === value}>${text}</option>`)}</select></>`;
  return html`<div class="form">${field('heading', t('Title of the window'))}${field('greeting', t('Greeting'))}
    ${field('starters', t('Questions to begin with'), t('Separated by |'))}
    <div class="pair"><${Field} label=${t('Highlight')}><input class="f" type="color" name="accent" value=${look.value.accent} onInput=${change}/></>
    <${Field} label=${t('Button')}><input class="f" type="color" name="launcher" value=${look.value.launcher} onInput=${change}/></></div>
    <div class="pair">${choice('position', t('Corner'), [['right', t('right')], ['left', t('left')]])}${choice('theme', t('Theme'), [['auto', t('as the visitor has it')], ['light', t('light')], ['dark', t('dark')]])}</div>
    ${choice('lang', t('Language'), [['', t('as the page')], ['en', 'English'], ['de', 'Deutsch']])}</div>`;
}

/** `site`: an origin to propose. */
export function Embed({ bot, site = '' }) {
  const keys = useApi('/v1/widget/keys');
  const look = useSignal(DEFAULTS);
  if (!keys.data) return html`<${Waiting} error=${keys.error} reload=${keys.reload}/>`;
  const mine = keys.data.filter(key => key.bot_profile_id === bot.id && key.is_active);
  const make = async ({ origins }) => {
    const allowed = origins.split(/[\s,]+/).filter(Boolean).map(one => new URL(/^https?:\/\//.test(one) ? one : `https://${one}`).origin);
    await api.post('/v1/widget/keys', { name: bot.name, bot_profile_id: bot.id, allowed_origins: allowed });
    keys.reload();
  };
  if (mine.length === 0) {
    return html`<p class="soft measure">${t('A public key may stand in a page: it opens this bot only, and only on the sites that you name.')}</p>
      <${Form} send=${make} action=${t('Make the code')}><${Field} label=${t('Your website')} hint=${t('Several are separated by commas.')}><input class="f" name="origins" placeholder="https://example.com" value=${site} required/></></>`;
  }
  const [key] = mine;
  const demo = `/demo#${new URLSearchParams({ key: key.public_key, ...Object.fromEntries(Object.entries(look.value).filter(([, value]) => value)) })}`;
  return html`<div class="split"><div><h3>${t('Put this before the end of your page')}</h3><${Code} label=${t('Embed code')} text=${snippet(key.public_key, look.value)}/>
    <p class="soft">${t('Allowed on:')} ${key.allowed_origins.join(', ') || t('no site yet')} · <a href="/dashboard/tokens">${t('change')}</a></p>
    <p><a class="btn" href=${demo} target="_blank" rel="noopener">${t('Open the demo page')}</a></p></div><${Look} look=${look}/></div>`;
}
