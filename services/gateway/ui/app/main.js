/** The frame of the dashboard: navigation, language, theme, and the page that is open. */

import { Icon, html, render, useEffect, useErrorBoundary, useLayoutEffect, useSignal } from './lib/kit.js';
import { useAgain } from './lib/again.js';
import { mayChange, renew, session, signOut } from './lib/api.js';
import { offers, useOffered } from './lib/offered.js';
import { href, path } from './lib/router.js';
import { language, learn, t, theme } from './lib/words.js';
import { Empty, Stale, Told, Waiting } from './parts/basics.js';
import { Goto } from './parts/goto.js';
import { SignIn } from './pages/signin.js';

/** Pages, by address; loaded when first opened. The last part of an address may be an id. */
const PAGES = [
  { to: '/', icon: 'home', name: 'Overview', load: () => import('./pages/overview.js') },
  { to: '/bots', icon: 'bot', name: 'Bots', load: () => import('./pages/bots.js') },
  { to: '/sources', icon: 'library', name: 'Sources', load: () => import('./pages/sources.js') },
  { to: '/chats', icon: 'chats', name: 'Chats', load: () => import('./pages/chats.js') },
  { to: '/playground', icon: 'flask', name: 'Playground', needs: '/v1/bot-profiles/{bot_profile_id}/playground/run', load: () => import('./pages/playground.js') },
  { to: '/unanswered', icon: 'gap', name: 'Unanswered', needs: '/v1/stats/unanswered', load: () => import('./pages/unanswered.js') },
  { to: '/usage', icon: 'chart', name: 'Usage', needs: '/v1/stats/usage', load: () => import('./pages/usage.js') },
  { to: '/budgets', icon: 'purse', name: 'Budgets', needs: '/v1/budgets', load: () => import('./pages/budgets.js') },
  { to: '/webhooks', icon: 'hook', name: 'Webhooks', needs: '/v1/webhooks', load: () => import('./pages/webhooks.js') },
  { to: '/events', icon: 'pulse', name: 'Events', needs: '/v1/events', load: () => import('./pages/events.js') },
  { to: '/audit', icon: 'list', name: 'Audit log', needs: '/v1/audit-log', admins: true, load: () => import('./pages/audit.js') },
  { to: '/tokens', icon: 'key', name: 'Keys and tokens', load: () => import('./pages/tokens.js') },
  { to: '/team', icon: 'users', name: 'Team', load: () => import('./pages/team.js') },
  { to: '/settings', icon: 'settings', name: 'Settings', load: () => import('./pages/settings.js') },
];
const HIDDEN = [
  { to: '/start', name: 'Set up a bot', admins: true, load: () => import('./pages/start.js') },
  { to: '/import', name: 'Import a website', needs: '/v1/sources/preview', admins: true, load: () => import('./pages/import.js') },
];

const shown = page => offers(page.needs) && (!page.admins || mayChange());

function found() {
  const exact = [...PAGES, ...HIDDEN].find(page => page.to === path.value);
  if (exact) return { page: exact };
  const [, first, id, ...more] = path.value.split('/');
  const page = PAGES.find(one => one.to === `/${first}`);
  return page && id && more.length === 0 ? { page, id } : {};
}

/** The page itself; what it is made of is fetched first. */
function Open({ page, id }) {
  const state = useSignal({});
  const load = () =>
    page.load().then(module => (state.value = { View: module.default }), error => (state.value = { error }));
  useEffect(() => {
    load();
  }, []);
  const [broken, mend] = useErrorBoundary(error => console.error(error));
  const { View, error } = state.value;
  if (broken) return html`<${Waiting} error=${broken} reload=${mend}/>`;
  return View ? html`<${View} id=${id}/>` : html`<${Waiting} error=${error} reload=${load}/>`;
}

const speak = other => {
  language.value = other;
  learn().catch(() => {}); // it goes on in English
};

function Tools({ here, search }) {
  const dark = theme.value === 'dark' || (theme.value === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  const other = language.value === 'de' ? 'en' : 'de';
  return html`<div class="top" role="region" aria-label=${t('Tools')}><span class="crumb soft">${session.value.tenant.name}</span><span class="soft crumb">/</span><b>${here ? t(here.name) : t('Not found')}</b><span class="gap"/>
    <button class="btn find" aria-label=${`${t('Go to…')} Ctrl K`} onClick=${search}><${Icon} name="search"/><span class="soft">${t('Go to…')} Ctrl K</span></button>
    <button class="btn" lang=${other} title=${other === 'de' ? 'Deutsch' : 'English'} onClick=${() => speak(other)}>${other.toUpperCase()}</button>
    <button class="btn icon" aria-label=${dark ? t('Light theme') : t('Dark theme')} onClick=${() => (theme.value = dark ? 'light' : 'dark')}><${Icon} name=${dark ? 'sun' : 'moon'}/></button>
    <button class="btn icon" aria-label=${t('Sign out')} title=${t('Sign out')} onClick=${signOut}><${Icon} name="leave"/></button></div>`;
}

function Shell() {
  const looking = useSignal(false);
  useOffered();
  // With the first frame: whoever sees the page may type.
  useLayoutEffect(() => {
    const key = event => {
      if (!(event.metaKey || event.ctrlKey) || event.key !== 'k') return;
      event.preventDefault();
      looking.value = true;
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);
  const { page, id } = found();
  useEffect(() => {
    document.title = `${page ? t(page.name) : t('Not found')} · MiniRAG`;
  }, [page, language.value]);
  useEffect(() => {
    // On a phone the pages stand in a row that is wider than the screen.
    document.querySelector('.nav[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [page, offers('/v1/audit-log')]);
  return html`<div class="shell"><a class="skip" href="#main">${t('Skip to the content')}</a>
    <header class="rail"><a class="brand" href=${href('/')}>Mini<mark>RAG</mark></a>
      <nav aria-label=${t('Main')}>${PAGES.filter(shown).map(one => html`<a class="nav" href=${href(one.to)} aria-current=${page === one ? 'page' : undefined}><${Icon} name=${one.icon}/>${t(one.name)}</a>`)}</nav>
      <a class="nav docs" href="/docs" target="_blank" rel="noopener"><${Icon} name="external"/>${t('API reference')}</a></header>
    <div><${Tools} here=${page} search=${() => (looking.value = true)}/>
    <${Stale}/><main id="main" tabindex="-1">${page?.admins && !mayChange() ? html`<${Empty} title=${t('This is for owners and admins')}><a class="btn" href=${href('/')}>${t('Overview')}</a></>` : page ? html`<${Open} key=${page.to + (id ?? '')} page=${page} id=${id}/>` : html`<${Empty} title=${t('There is no such page')}><a class="btn" href=${href('/')}>${t('Overview')}</a></>`}</main></div>
    <${Told}/>${looking.value && html`<${Goto} pages=${[...PAGES, ...HIDDEN].filter(shown)} close=${() => (looking.value = false)}/>`}</div>`;
}

function App() {
  const lost = useSignal(null);
  const find = () => {
    renew().then(() => (lost.value = null), error => (lost.value = error));
  };
  useEffect(find, []);
  useAgain(lost.value, find);
  if (session.value === undefined) return html`<main class="gate"><${Waiting} error=${lost.value} reload=${find}/></main>`;
  return session.value ? html`<${Shell}/>` : html`<${SignIn}/>`;
}

const show = () => render(html`<${App}/>`, document.getElementById('app'));
learn().then(show, show);
