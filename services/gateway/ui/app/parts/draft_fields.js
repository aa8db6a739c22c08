/** Fields of what a bot might be instead: a variant of the playground, or a draft that is tried at once. */

import { html } from '../lib/kit.js';
import { t } from '../lib/words.js';
import { Field } from './basics.js';

const NUMBERS = [['floor', 'Floor', 0, 1, 0.01], ['lexical_weight', 'Weight of words', 0, 1, 0.05], ['top_k', 'Passages', 1, 20, 1], ['temperature', 'Temperature', 0, 2, 0.1]];
const SIZES = [['chunk_size', 'Characters of a passage, at most', 100, 8000, 1], ['chunk_overlap', 'Shared with its neighbour', 0, 1000, 1]];
const numeric = new Set([...NUMBERS, ...SIZES].map(([name]) => name));

/** What stands in the fields, as the API takes it. An empty one is as published. */
export const settingsOf = fields => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '').map(([name, value]) => [name, numeric.has(name) ? Number(value) : value]));

const Numbers = ({ all, at, fields, bot, otherwise, write }) =>
  html`<div class="pair">${all.map(([name, label, min, max, step]) => html`<${Field} label=${t(label)} of=${at + name}><input class="f" type="number" min=${min} max=${max} step=${step} value=${fields[name] ?? ''} placeholder=${bot[name] ?? otherwise} onInput=${write(name)}/></>`)}</div>`;

/** `fields` holds texts by name, `change` gets all of them when one is written. Each shows what the bot has. `at` stands before its name in what is sent. */
export function DraftFields({ at, fields, bot, change }) {
  const write = name => event => change({ ...fields, [name]: event.target.value });
  return html`<${Field} label=${t('Instructions')} of=${`${at}system_prompt`}><textarea class="f" rows="3" value=${fields.system_prompt ?? ''} placeholder=${bot.system_prompt} onInput=${write('system_prompt')}/></>
    <${Field} label=${t('Model')} of=${`${at}model`}><input class="f mono" maxlength="100" value=${fields.model ?? ''} placeholder=${bot.model} onInput=${write('model')}/></>
    <${Numbers} all=${NUMBERS} at=${at} fields=${fields} bot=${bot} otherwise=${t('as measured')} write=${write}/>`;
}

/** The same for what needs an index of its own: a run has one made, a draft cannot. */
export function IndexFields({ at, fields, bot, change }) {
  const write = name => event => change({ ...fields, [name]: event.target.value });
  return html`<${Numbers} all=${SIZES} at=${at} fields=${fields} bot=${bot} otherwise=${t('as set by the operator')} write=${write}/>
    <${Field} label=${t('Embedding model')} of=${`${at}embedding_model`}><input class="f mono" maxlength="100" value=${fields.embedding_model ?? ''} placeholder=${bot.embedding_model ?? t('the built-in model')} onInput=${write('embedding_model')}/></>`;
}

let carried;

/** Take fields along to the playground, which asks for them once. */
export const carry = (bot, fields) => (carried = { bot, fields });

/** What was taken along for this bot; after that, nothing. */
export function brought(bot) {
  if (carried?.bot !== bot) return undefined;
  const { fields } = carried;
  carried = undefined;
  return fields;
}
