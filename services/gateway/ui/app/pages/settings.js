/** One's own account, the workspace, and how everything does. */

import { html } from '../lib/kit.js';
import { api, call, mayChange, session } from '../lib/api.js';
import { href } from '../lib/router.js';
import { t } from '../lib/words.js';
import { Field, Form, Head, tell } from '../parts/basics.js';
import { DeadLetters } from '../parts/dead_letters.js';
import { Health } from '../parts/health.js';
import { Providers } from '../parts/key_test.js';
import { Retention } from '../parts/retention.js';
import { offers } from '../lib/offered.js';

const ELSEWHERE = [
  ['/bots', 'Bots', 'models and their keys'],
  ['/budgets', 'Budgets', 'limits of what is spent'],
  ['/tokens', 'Keys and tokens', 'limits of visitors, and the look of the widget'],
  ['/audit', 'Audit log', 'who changed what'],
];

const BROWSER_TOKENS = [['none', 'none may be used'], ['bot_bound', 'only those of one bot'], ['all', 'all may be used']];

export default function Settings() {
  const { user, tenant } = session.value;
  const password = async (fields, form) => {
    await call('POST', '/v1/auth/password', fields);
    form.reset();
    tell(t('Changed. Your other sessions have ended.'));
  };
  const rename = async ({ name, browser_tokens }) => {
    session.value = { user, tenant: await api.patch('/v1/tenants/me', { name, browser_tokens }) };
    tell(t('Saved.'));
  };
  const manages = mayChange();
  return html`<${Head} title=${t('Settings')} lead=${`${user.email} · ${t(user.role)}`}/><div class="cols even">
    <section class="sec"><header><h2>${t('Workspace')}</h2></header>${user.role === 'owner' ? html`<${Form} send=${rename} action=${t('Save')}><${Field} label=${t('Name')} hint=${tenant.slug}><input class="f" name="name" maxlength="255" defaultValue=${tenant.name} required/></>
      <${Field} label=${t('Secret tokens in pages of other sites')} hint=${t('Whoever visits such a page can read the token; public keys are made for that.')}><select class="f" name="browser_tokens">${BROWSER_TOKENS.map(([value, label]) => html`<option value=${value} selected=${value === tenant.browser_tokens}>${t(label)}</option>`)}</select></></>` : html`<p>${tenant.name}</p>`}</section>
    <section class="sec"><header><h2>${t('Your password')}</h2></header><${Form} send=${password} action=${t('Change it')}>
      <input class="sr" type="email" name="" autocomplete="username" value=${user.email} tabindex="-1" aria-hidden="true" readonly/>
      <${Field} label=${t('The present one')}><input class="f" name="current_password" type="password" autocomplete="current-password" required/></>
      <${Field} label=${t('The new one')} hint=${t('At least 8 characters.')}><input class="f" name="new_password" type="password" minlength="8" maxlength="128" autocomplete="new-password" required/></></></section>
    <section class="sec"><header><h2>${t('Where the rest is')}</h2></header><ul class="list">${ELSEWHERE.filter(([to]) => to !== '/audit' || mayChange()).map(([to, label, what]) => html`<li><a href=${href(to)}>${t(label)}</a><span class="soft">${t(what)}</span></li>`)}</ul></section></div>
    ${manages && offers('/v1/providers/test') && html`<${Providers}/>`}
    ${manages && html`<div class="cols even"><section class="sec"><header><h2>${t('How long things are kept')}</h2></header><${Retention}/></section>
      ${offers('/v1/system/dead-letters') && html`<section class="sec"><header><h2>${t('What was given up')}</h2></header><${DeadLetters}/></section>`}</div>`}
    <${Health}/>`;
}
