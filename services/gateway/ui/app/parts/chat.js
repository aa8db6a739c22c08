/** The conversation of the widget, inside the dashboard. */

import '../../widget/chat.js';
import { html, useEffect, useRef } from '../lib/kit.js';
import { authorization } from '../lib/api.js';
import { language, t } from '../lib/words.js';
import { Connection } from '../../widget/connection.js';

export const connectionTo = (bot, besides) => new Connection({ origin: '', bot, authorization, besides, persist: 'none' });

/** Ask `bot`; `answered` gets what the event minirag:answer tells, `besides()` gives what is sent with a question. */
export function Chat({ bot, label, answered, besides, starters = [] }) {
  const ref = useRef();
  useEffect(() => {
    const chat = ref.current;
    chat.greeting = '';
    chat.starters = starters;
    chat.connection = connectionTo(bot, besides);
    const told = event => answered?.(event.detail);
    chat.addEventListener('minirag:answer', told);
    return () => {
      chat.removeEventListener('minirag:answer', told);
      chat.leave();
    };
  }, [bot]);
  return html`<minirag-chat ref=${ref} lang=${language.value} role="group" aria-label=${label ?? t('Try it')}/>`;
}
