/** Signing in, and registering. */

import { html, useSignal } from '../lib/kit.js';
import { register, signIn } from '../lib/api.js';
import { go, path } from '../lib/router.js';
import { t } from '../lib/words.js';
import { Field, Form } from '../parts/basics.js';

const GERMAN = { ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' };

/** A short name for addresses: letters without their marks. */
const slug = name =>
  name.toLowerCase().normalize('NFC').replace(/[äöüß]/g, letter => GERMAN[letter]).normalize('NFKD').replace(/\p{M}/gu, '').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60);

function In() {
  const several = useSignal(false);
  const send = async ({ email, password, tenant_slug }) => {
    try {
      await signIn({ email, password, ...(tenant_slug && { tenant_slug }) });
    } catch (error) {
      if (error.problem?.type?.endsWith('tenant-slug-required')) several.value = true;
      throw error;
    }
  };
  return html`<${Form} send=${send} action=${t('Sign in')}>
    <${Field} label=${t('E-mail')}><input class="f" name="email" type="email" autocomplete="username" required/></>
    <${Field} label=${t('Password')}><input class="f" name="password" type="password" autocomplete="current-password" required/></>
    ${several.value && html`<${Field} label=${t('Workspace')} hint=${t('You have accounts in several.')}><input class="f" name="tenant_slug" required/></>`}</>`;
}

function Register() {
  const send = async ({ tenant, email, password, name }) => {
    const made = slug(tenant) || 'workspace';
    const body = { tenant_name: tenant, owner_email: email, owner_password: password, owner_display_name: name };
    try {
      await register({ ...body, tenant_slug: made });
    } catch (error) {
      if (error.status !== 409) throw error;
      // Somebody else has a workspace of that name: the short name only has to be another.
      await register({ ...body, tenant_slug: `${made}-${Math.random().toString(36).slice(2, 7)}` });
    }
    if (path.value === '/') go('/start');
  };
  return html`<${Form} send=${send} action=${t('Create the workspace')}>
    <${Field} label=${t('Company or project')} of="tenant_name"><input class="f" name="tenant" maxlength="255" autocomplete="organization" required/></>
    <${Field} label=${t('Your name')} of="owner_display_name"><input class="f" name="name" maxlength="255" autocomplete="name"/></>
    <${Field} label=${t('E-mail')} of="owner_email"><input class="f" name="email" type="email" autocomplete="username" required/></>
    <${Field} label=${t('Password')} of="owner_password" hint=${t('At least 8 characters.')}><input class="f" name="password" type="password" minlength="8" maxlength="128" autocomplete="new-password" required/></></>`;
}

export function SignIn() {
  const fresh = useSignal(false);
  return html`<main class="gate"><p class="brand">Mini<mark>RAG</mark></p>
    <h1>${fresh.value ? t('Answers from your own sources') : t('Welcome back')}</h1>
    ${fresh.value ? html`<${Register}/>` : html`<${In}/>`}
    <p class="soft">${fresh.value ? t('You have an account already?') : t('New here?')} <button class="link" type="button" onClick=${() => (fresh.value = !fresh.value)}>${fresh.value ? t('Sign in instead') : t('Create a workspace')}</button></p></main>`;
}
