/** Choosing one of several. */

import { html } from '../lib/kit.js';
import { set } from '../lib/router.js';
import { t } from '../lib/words.js';

/** Only one bot, or all of them; kept in the address. */
export const Bots = ({ bots, chosen }) => html`<select class="f" aria-label=${t('Bot')} onChange=${event => set({ bot: event.target.value })}><option value="">${t('All bots')}</option>${bots.map(one => html`<option value=${one.id} selected=${one.id === chosen}>${one.name}</option>`)}</select>`;

/** Parts of a page or of a dialog, one of which is open. `parts` are [value, label]. */
export const Tabs = ({ parts, open, pick }) => html`<div class="tabs" role="group" aria-label=${t('Parts')}>${parts.map(([value, label]) => html`<button type="button" aria-pressed=${open === value} onClick=${() => pick(value)}>${label}</button>`)}</div>`;
