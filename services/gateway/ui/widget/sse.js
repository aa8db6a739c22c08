/** Server-sent events over fetch(), followed to their end through broken connections. */

/** Read the body of a response as events with parsed JSON data. */
export async function* frames(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer = (buffer + value).replaceAll('\r\n', '\n');
      for (let cut; (cut = buffer.indexOf('\n\n')) >= 0; ) {
        const frame = parsed(buffer.slice(0, cut));
        buffer = buffer.slice(cut + 2);
        if (frame) yield frame;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(block) {
  const frame = { event: 'message', id: undefined };
  const data = [];
  for (const line of block.split('\n')) {
    const [, field, text] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field === 'data') data.push(text);
    else if (field === 'event') frame.event = text;
    else if (field === 'id') frame.id = text;
  }
  return data.length ? { ...frame, data: JSON.parse(data.join('\n')) } : undefined;
}

/** The seconds that a Retry-After tells, which may be a date; undefined for none. */
function waiting(told) {
  if (!told) return undefined;
  const seconds = /^\d+$/.test(told) ? Number(told) : (Date.parse(told) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

/** An answer that is no success, with the words of its problem document and the seconds `after` which it may be another one. */
export async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  const said = Array.isArray(body.detail) ? body.detail[0]?.msg : body.detail;
  return Object.assign(new Error(said || body.title || `HTTP ${response.status}`), {
    status: response.status,
    problem: body,
    after: waiting(response.headers.get('retry-after')),
    shown: typeof said === 'string' ? said : undefined,
  });
}

const pause = (ms, signal) =>
  new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    const now = () => (clearTimeout(timer), resolve());
    signal?.addEventListener('abort', now, { once: true });
    addEventListener('online', now, { once: true });
  });

/**
 * Follow a turn to its terminal event. A stream that ends without one has been cut, and is taken
 * up again behind the last event seen; the server keeps the turn. `open(signal)` begins it,
 * `reopen({turn, last, signal})` goes on. Without `open`, `turn` names one that is running.
 */
export async function* follow({ open, reopen, turn, signal, retries = 8, stall = 25_000 }) {
  let last;
  let tries = 0;
  while (!signal?.aborted) {
    const link = new AbortController();
    const cut = () => link.abort();
    let watchdog;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(cut, stall);
    };
    // A sleeping tab is told nothing of the end of its connection: listen anew when it wakes.
    const wake = () => document.visibilityState === 'visible' && alive();
    signal?.addEventListener('abort', cut, { once: true });
    addEventListener('online', cut, { once: true });
    document.addEventListener('visibilitychange', wake);
    try {
      alive();
      const response = await (turn ? reopen({ turn, last, signal: link.signal }) : open(link.signal));
      if (!response.ok) throw await refusal(response);
      for await (const frame of frames(response)) {
        alive();
        tries = 0;
        if (frame.id !== undefined) last = frame.id;
        if (frame.event === 'turn') turn = frame.data.turn_id;
        yield frame;
        if (frame.event === 'done' || frame.event === 'error') return;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error.status && error.status < 500 && error.status !== 429) throw error;
      if (tries >= retries || (!turn && tries >= 2)) throw error;
    } finally {
      clearTimeout(watchdog);
      link.abort();
      signal?.removeEventListener('abort', cut);
      removeEventListener('online', cut);
      document.removeEventListener('visibilitychange', wake);
    }
    if (signal?.aborted) return;
    if (++tries > retries) throw new Error('the connection is lost');
    yield { event: 'reconnecting', data: { tries } };
    await pause(Math.min(8000, 250 * 2 ** tries) * (0.5 + Math.random() / 2), signal);
  }
}
