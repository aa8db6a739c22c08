/** The API, for whoever is signed in with this browser. */

import { signal, useEffect, useRef, useSignal } from './kit.js';
import { useAgain } from './again.js';
import { faultsOf } from './faults.js';
import { number, t, told } from './words.js';
import { refusal } from '../../widget/sse.js';

const RENEW_MS = 60_000;
const BROWSER = '/v1/auth/browser';

/** Who is signed in: undefined until it is known, null for nobody. */
export const session = signal(undefined);
/** Whether whoever is signed in may change things, and not only read and chat. */
export const mayChange = () => session.value.user.role !== 'member';
let access;
let renewing;

function hold(body) {
  if (body) {
    access = { token: body.access_token, until: Date.now() + body.expires_in * 1000 };
    session.value = { user: body.user, tenant: body.tenant };
  } else {
    access = undefined;
    session.value = null;
  }
}

async function post(path, body) {
  const response = await fetch(path, {
    method: 'POST',
    headers: body && { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? null : response.json();
}

/** Find out who is signed in, from the cookie. */
export function renew() {
  // One at a time, in all tabs: each use of the cookie spends it.
  const once = () => post(`${BROWSER}/refresh`).then(hold, error => {
    if (error.status === 401 || error.status === 403) hold(null);
    else throw error;
  });
  const locked = () => (navigator.locks ? navigator.locks.request('minirag-session', once) : once());
  renewing ??= locked().finally(() => (renewing = undefined));
  return renewing;
}

export const signIn = async body => hold(await post(`${BROWSER}/login`, body));

export async function register(body) {
  await post('/v1/tenants', body);
  await signIn({ email: body.owner_email, password: body.owner_password, tenant_slug: body.tenant_slug });
}

export async function signOut() {
  await post(`${BROWSER}/logout`).catch(() => {});
  hold(null);
}

export async function authorization() {
  if (!access || access.until - Date.now() < RENEW_MS) await renew();
  return `Bearer ${access?.token ?? ''}`;
}

/** Call the API; returns the response. Raises a refusal with its problem document. */
export async function call(method, path, body, { headers, signal, again = true } = {}) {
  const form = body instanceof FormData;
  const response = await fetch(path, {
    method,
    signal,
    headers: {
      ...headers,
      accept: 'application/json, */*;q=0.5',
      authorization: await authorization(),
      ...(body && !form && { 'content-type': 'application/json' }),
    },
    body: form ? body : body && JSON.stringify(body),
  });
  if (response.status === 401 && again) {
    await renew();
    if (session.value) return call(method, path, body, { headers, signal, again: false });
  }
  if (!response.ok) throw await refusal(response);
  if (response.status === 202 && response.headers.has('location')) {
    throw Object.assign(new Error('still running'), {
      shown: t('It is stored, and will be done as soon as the service is back.'),
    });
  }
  return response;
}

export const api = {
  get: path => call('GET', path).then(response => response.json()),
  post: (path, body) => call('POST', path, body).then(response => response.json()),
  patch: (path, body) => call('PATCH', path, body).then(response => response.json()),
  delete: path => call('DELETE', path),
};

/** What a reader is told of a fault, beside its field. */
export function faulty({ text, values, common }) {
  if (!common) return told(text);
  return t(text, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number.isNaN(Number(value)) ? told(value) : number(Number(value))])));
}

/** What a reader is told about an error, or about some of its faults. */
export function explained(error, faults = faultsOf(error.problem)) {
  // A list of faults tells what each is about by its field alone.
  const named = Array.isArray(error.problem?.detail);
  if (faults.length > 0) return faults.map(one => (named && one.at ? `${one.at}: ${faulty(one)}` : faulty(one))).join(' ');
  return told(error.shown) ?? (navigator.onLine ? t('That did not work. Try again.') : t('No connection.'));
}

/** What a page asked for in vain at the last try, by what shows it: error, how to try again, and whether an `old` answer is shown. */
export const failing = signal(new Map());

function mark(what, wrong) {
  if (!wrong && !failing.value.has(what)) return;
  const marked = new Map(failing.value);
  if (wrong) marked.set(what, wrong);
  else marked.delete(what);
  failing.value = marked;
}

/** Ask again for all that fails, and call `reload` of what is none of it. */
export function tryAgain(reload) {
  const all = [...failing.value.values()];
  for (const one of all) one.reload();
  if (reload && all.every(one => one.reload !== reload)) reload();
}

/**
 * Have what `get` gives when the page opens and when it is asked for as another `key`, again every
 * `every` ms as long as `every` is set, and again by itself after an answer that told when that is
 * worth while. Without a `key` nothing is fetched. Gives {data, error, reload}.
 */
export function useLoaded(key, get, { every = 0 } = {}) {
  const state = useSignal({});
  const here = useRef(true);
  const load = async live => {
    try {
      const data = await get();
      if (!live()) return;
      state.value = { data };
      mark(state);
    } catch (error) {
      if (!live()) return;
      // What was there stays to be seen, beside what went wrong.
      state.value = { data: state.value.data, error };
      mark(state, { error, reload, old: Boolean(state.value.data) });
    }
  };
  const latest = useRef();
  latest.current = () => load(() => here.current);
  const reload = useRef(() => latest.current()).current;
  const waits = useAgain(key && state.value.error, reload);
  useEffect(() => () => {
    here.current = false;
    mark(state);
  }, []);
  useEffect(() => {
    if (!key) return undefined;
    let on = true;
    load(() => on);
    return () => (on = false);
  }, [key]);
  useEffect(() => {
    if (!key || !every) return undefined;
    let on = true;
    const timer = setInterval(() => document.visibilityState === 'visible' && !waits.current && load(() => on), every);
    return () => {
      on = false;
      clearInterval(timer);
    };
  }, [key, every]);
  return { ...state.value, reload };
}

/** What the API gives at `path`, as `useLoaded` has it. */
export const useApi = (path, wish) => useLoaded(path, () => api.get(path), wish);
