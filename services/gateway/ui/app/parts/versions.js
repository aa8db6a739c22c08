/** All that a bot was: who made it so, when, why, how well it did; and the way back. */

import { html } from '../lib/kit.js';
import { api, mayChange, useApi } from '../lib/api.js';
import { href } from '../lib/router.js';
import { moment, t } from '../lib/words.js';
import { Sure, Waiting, tell } from './basics.js';
import { Table } from './table.js';
import { decimal, letter } from './variants.js';

const SHOWN = 50;

/** Why a version came to be, in the words of who made it and with what proved it. */
function Why({ bot, of }) {
  const proof = of.run_id && html`<a href=${href('/playground', { bot, run: of.run_id })}>${t('variant {letter} of a run', { letter: letter(of.variant ?? 0) })}</a>`;
  const back = of.restores && t('as version {n} was', { n: of.restores });
  const parts = [of.reason, back, proof].filter(Boolean);
  return parts.length ? parts.map((part, n) => html`${n > 0 && ' · '}${part}`) : html`<span class="soft">–</span>`;
}

/** Who made a version, by the name of the person or of the token. */
function who({ actor, actor_name: name }) {
  const token = actor.startsWith('token/');
  if (name) return token ? t('token “{name}”', { name }) : name;
  return token ? t('a token') : t('an erased user');
}

export function Versions({ bot, changed }) {
  const versions = useApi(`/v1/bot-profiles/${bot.id}/versions?limit=${SHOWN}`);
  if (!versions.data) return html`<${Waiting} error=${versions.error} reload=${versions.reload}/>`;
  const back = one => async () => {
    await api.post(`/v1/bot-profiles/${bot.id}/versions/${one.version}/restore`, { reason: '' });
    tell(t('The bot answers as in version {n}.', { n: one.version }));
    changed();
    versions.reload();
  };
  const columns = [
    { key: 'version', label: t('Version'), cell: one => html`${one.version}${one.version === bot.version && html` <mark>${t('answers')}</mark>`}` },
    { key: 'at', label: t('When'), sort: one => Date.parse(one.at), cell: one => html`<span class="soft">${moment(one.at)}</span>` },
    { key: 'who', label: t('Who'), text: who, sort: who, cell: who },
    { key: 'reason', label: t('Why'), cell: one => html`<${Why} bot=${bot.id} of=${one}/>` },
    { key: 'score', label: t('Score'), num: true, cell: one => decimal(one.score) },
    { key: 'model', label: t('Model'), cell: one => html`<span class="mono">${one.model}</span>` },
    ...(!mayChange() ? [] : [{ key: 'act', label: '', cell: one => one.version !== bot.version && html`<${Sure} label=${t('Go back to it')} question=${t('The bot then answers as in version {n}.', { n: one.version })} act=${back(one)} icon="undo"/>` }]),
  ];
  return html`<${Table} rows=${versions.data.map(one => ({ ...one, id: one.version }))} columns=${columns} caption=${t('Versions')}/>`;
}
