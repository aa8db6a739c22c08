/** The event feed: what was, what happens, and what a thing was at a moment. */

import { api, authorization } from './api.js';
import { frames, refusal } from '../../widget/sse.js';

const PAGE = 200;
const PAGES = 10;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/** Follow the feed until `signal` is aborted; reconnects behind the last event it has seen. */
export async function follow(signal, got, live) {
  let last;
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      const headers = { accept: 'text/event-stream', authorization: await authorization(), ...(last && { 'last-event-id': last }) };
      const response = await fetch('/v1/events', { signal, headers });
      if (!response.ok) throw await refusal(response);
      live(true);
      wait = FIRST_WAIT_MS;
      for await (const { event, data, id } of frames(response)) {
        last = id ?? last;
        if (!['heartbeat', 'ready', 'closed'].includes(event)) got(data);
      }
    } catch (error) {
      if (error.status === 403) throw error;
    }
    live(false);
    await new Promise(resolve => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

/** What fits `wish`, oldest first, the newest `kept` of it. */
export async function past(wish, kept) {
  let found = [];
  let cursor = '';
  for (let pages = 0; pages < PAGES; pages++) {
    const query = new URLSearchParams({ limit: PAGE, ...wish, ...(cursor && { cursor }) });
    const page = await api.get(`/v1/events?${query}`);
    found = [...found, ...page].slice(-kept);
    if (page.length < PAGE) break;
    cursor = page.at(-1).cursor;
  }
  return found;
}

/** What is known of a thing after its first `count` events: each field as last told, and which of them the last one changed. */
export function folded(events, count) {
  const state = {};
  let changes = [];
  for (const event of events.slice(0, count)) {
    changes = [];
    for (const [name, value] of Object.entries(event.data)) {
      if (JSON.stringify(state[name]) !== JSON.stringify(value)) changes.push({ name, before: state[name], after: value });
      state[name] = value;
    }
  }
  return { state, changes };
}
