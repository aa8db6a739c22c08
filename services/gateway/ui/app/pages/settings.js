/** One's own account, the workspace, and how everything does. */

import { html } from '../lib/kit.js';
import { api, call, session, useApi } from '../lib/api.js';
import { t } from '../lib/words.js';
import { Field, Form, Head, Status, Waiting, tell } from '../parts/basics.js';

function Health() {
  const health = useApi('/v1/system/health', { every: 5000 });
  if (!health.data) return html`<${Waiting} error=${health.error} reload=${health.reload}/>`;
  const { services, status, ...parts } = health.data;
  const rows = [...Object.entries(parts).filter(([name]) => name !== 'redis'), ...Object.entries(services)];
  const grade = one => (one === 'ok' ? 'ready' : 'error');
  return html`<ul class="list">${rows.map(([name, part]) => html`<li><b>${name}</b><span><${Status} is=${grade(part.status)}/> <span class="soft">${[part.version, part.latency_ms != null && `${Math.round(part.latency_ms)} ms`].filter(Boolean).join(' · ')}</span></span></li>`)}</ul>`;
}

export default function Settings() {
  const { user, tenant } = session.value;
  const password = async (fields, form) => {
    await call('POST', '/v1/auth/password', fields);
    form.reset();
    tell(t('Changed. Your other sessions have ended.'));
  };
  const rename = async ({ name }) => {
    session.value = { user, tenant: await api.patch('/v1/tenants/me', { name }) };
    tell(t('Saved.'));
  };
  return html`<${Head} title=${t('Settings')} lead=${`${user.email} · ${t(user.role)}`}/><div class="cols even">
    <section class="sec"><header><h2>${t('Workspace')}</h2></header>${user.role === 'owner' ? html`<${Form} send=${rename} action=${t('Save')}><${Field} label=${t('Name')} hint=${tenant.slug}><input class="f" name="name" maxlength="255" defaultValue=${tenant.name} required/></></>` : html`<p>${tenant.name}</p>`}</section>
    <section class="sec"><header><h2>${t('Your password')}</h2></header><${Form} send=${password} action=${t('Change it')}>
      <input class="sr" type="email" name="" autocomplete="username" value=${user.email} tabindex="-1" aria-hidden="true" readonly/>
      <${Field} label=${t('The present one')}><input class="f" name="current_password" type="password" autocomplete="current-password" required/></>
      <${Field} label=${t('The new one')} hint=${t('At least 8 characters.')}><input class="f" name="new_password" type="password" minlength="8" maxlength="128" autocomplete="new-password" required/></></></section>
    <section class="sec"><header><h2>${t('How everything does')}</h2></header><${Health}/></section></div>`;
}
