/** The line for a website, and the public key in it. */

import { html } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { t } from '../lib/words.js';
import { Code, Field, Form, Waiting, tell } from './basics.js';

const LOADER = '/dashboard/widget/minirag-widget.js';
const COLOURS = { accent: '#c6f135', launcher: '#14181a' };
/** What a page shows before the server is asked for the first time. */
const AT_ONCE = ['accent', 'launcher', 'position'];

const escaped = text => text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');

/** The script tag; the rest of the look comes with the key. */
export function snippet(key, look) {
  const own = AT_ONCE.map(name => [name, look[name]]).filter(([, value]) => value);
  const attributes = own.map(([name, value]) => `\n        data-${name}="${escaped(value)}"`).join('');
  return `<script src="${location.origin}${LOADER}"\n        data-key="${key}"${attributes} async></script>`;
}

/** How the widget of a key looks; pages that hold it follow, without being changed. */
function Look({ of, saved }) {
  const look = of.appearance;
  const send = async ({ starters, ...fields }) => {
    for (const name of Object.keys(COLOURS)) if (fields[name] === COLOURS[name]) fields[name] = '';
    const lines = starters.split('\n').map(line => line.trim()).filter(Boolean);
    await api.patch(`/v1/widget/keys/${of.id}`, { appearance: { ...fields, starters: lines } });
    tell(t('Saved.'));
    saved();
  };
  const choice = (name, label, values) => html`<${Field} label=${label} of=${`appearance.${name}`}><select class="f" name=${name}>${values.map(([value, text]) => html`<option value=${value} selected=${look[name] === value}>${text}</option>`)}</select></>`;
  const colour = (name, label) => html`<${Field} label=${label} of=${`appearance.${name}`}><input class="f" type="color" name=${name} defaultValue=${look[name] || COLOURS[name]}/></>`;
  return html`<${Form} send=${send} action=${t('Save')}>
    <${Field} label=${t('Title of the window')} of="appearance.heading"><input class="f" name="heading" maxlength="255" defaultValue=${look.heading}/></>
    <${Field} label=${t('Greeting')} of="appearance.greeting"><input class="f" name="greeting" maxlength="1000" defaultValue=${look.greeting}/></>
    <${Field} label=${t('Questions to begin with')} of="appearance.starters" hint=${t('One in each line.')}><textarea class="f" name="starters" rows="3" defaultValue=${look.starters.join('\n')}></textarea></>
    <div class="pair">${colour('accent', t('Highlight'))}${colour('launcher', t('Button'))}</div>
    <div class="pair">${choice('position', t('Corner'), [['', t('right')], ['left', t('left')]])}${choice('theme', t('Theme'), [['', t('as the visitor has it')], ['light', t('light')], ['dark', t('dark')]])}</div>
    ${choice('language', t('Language'), [['', t('as the page')], ['en', 'English'], ['de', 'Deutsch']])}</>`;
}

/** `site`: an origin to propose. */
export function Embed({ bot, site = '' }) {
  const keys = useApi('/v1/widget/keys');
  if (!keys.data) return html`<${Waiting} error=${keys.error} reload=${keys.reload}/>`;
  const mine = keys.data.filter(key => key.bot_profile_id === bot.id && key.is_active);
  const make = async ({ origins }) => {
    const allowed = origins.split(/[\s,]+/).filter(Boolean).map(one => new URL(/^https?:\/\//.test(one) ? one : `https://${one}`).origin);
    await api.post('/v1/widget/keys', { name: bot.name, bot_profile_id: bot.id, allowed_origins: allowed });
    keys.reload();
  };
  if (mine.length === 0) {
    return html`<p class="soft measure">${t('A public key may stand in a page: it opens this bot only, and only on the sites that you name.')}</p>
      <${Form} send=${make} action=${t('Make the code')}><${Field} label=${t('Your website')} of="allowed_origins" hint=${t('Several are separated by commas.')}><input class="f" name="origins" placeholder="https://example.com" value=${site} required/></></>`;
  }
  const [key] = mine;
  const demo = `/demo#${new URLSearchParams({ key: key.public_key })}`;
  return html`<div class="split"><div><h3>${t('Put this before the end of your page')}</h3><${Code} label=${t('Embed code')} text=${snippet(key.public_key, key.appearance)}/>
    <p class="soft">${t('Allowed on:')} ${key.allowed_origins.join(', ') || t('no site yet')} · <a href="/dashboard/tokens">${t('change')}</a></p>
    <p><a class="btn" href=${demo} target="_blank" rel="noopener">${t('Open the demo page')}</a></p></div><${Look} key=${key.public_key} of=${key} saved=${keys.reload}/></div>`;
}
