/** Giving a bot something to read: an address, a file, or text. */

import { Icon, html, useSignal } from '../lib/kit.js';
import { api } from '../lib/api.js';
import { t } from '../lib/words.js';
import { Choice, Field, Form } from './basics.js';

const KINDS = [['url', 'globe', 'Web page'], ['upload', 'upload', 'File'], ['text', 'text', 'Text']];
const LARGEST = 10 * 1024 * 1024;
const NAME = 250;

const address = text => (/^https?:\/\//i.test(text) ? text : `https://${text}`);

/** Make one source of `bot` and have it ingested; returns it. */
async function add(bot, kind, { url, text, name, file, refresh }) {
  if (kind === 'upload') {
    if (file.size > LARGEST) throw Object.assign(new Error(), { shown: t('The file is larger than 10 MB.') });
    const form = new FormData();
    form.set('bot_profile_id', bot);
    form.set('file', file);
    return api.post('/v1/sources/upload', form);
  }
  const page = kind === 'url' && address(url.trim());
  const body = page
    ? { source_type: 'url', name: page.replace(/^https?:\/\//i, '').slice(0, NAME), config: { url: page } }
    : { source_type: 'text', name: name || text.trim().split('\n')[0].slice(0, 80), content: text };
  const source = await api.post('/v1/sources', { bot_profile_id: bot, refresh_schedule: refresh || null, ...body });
  await api.post(`/v1/sources/${source.id}/ingest`);
  return source;
}

/** `bot()` gives the id of the bot, `added` gets the source. */
export function SourceForm({ bot, added, action, children }) {
  const kind = useSignal('url');
  const send = async (fields, form) => {
    const source = await add(await bot(fields), kind.value, fields);
    form.reset();
    added(source);
  };
  const field = {
    url: () => html`<${Field} label=${t('Address')} of="config.url"><input class="f" name="url" inputmode="url" autocomplete="url" spellcheck=${false} placeholder="https://example.com/help" required/></>
      <${Field} label=${t('Read again')} of="refresh_schedule"><select class="f" name="refresh"><option value="">${t('never')}</option><option value="daily">${t('every day')}</option><option value="weekly">${t('every week')}</option><option value="hourly">${t('every hour')}</option></select></>`,
    upload: () => html`<${Field} label=${t('File')} hint=${t('Text, web pages, tables, PDF, office documents, books, mails or pictures, up to 10 MB.')}><input class="f" name="file" type="file" accept=".txt,.md,.csv,.tsv,.json,.xml,.html,.htm,.pdf,.docx,.pptx,.xlsx,.odt,.rtf,.epub,.eml,.png,.jpg,.jpeg,.tif,.tiff,.webp,.bmp" required/></>`,
    text: () => html`<${Field} label=${t('Title')}><input class="f" name="name" maxlength="255"/></>
      <${Field} label=${t('Text')} of="content"><textarea class="f" name="text" rows="8" required></textarea></>`,
  };
  return html`<${Form} send=${send} action=${action ?? t('Add source')}>${children}
    <${Choice} legend=${t('What should it read?')} of="source_type" radios inline>${KINDS.map(([value, icon, label]) => html`<label class=${`btn ${kind.value === value ? 'on' : ''}`}><input class="sr" type="radio" name="kind" value=${value} checked=${kind.value === value} onChange=${() => (kind.value = value)}/><${Icon} name=${icon}/>${t(label)}</label>`)}</>
    ${field[kind.value]()}</>`;
}
