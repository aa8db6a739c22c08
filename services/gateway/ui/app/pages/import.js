/** Importing a website: what would be read is seen before anything is. */

import { Icon, html, useSignal } from '../lib/kit.js';
import { api, useApi } from '../lib/api.js';
import { go, href, params } from '../lib/router.js';
import { counted, number, t, told } from '../lib/words.js';
import { Check, Empty, Field, Form, Head, Trouble, Waiting } from '../parts/basics.js';
import { PageGrid } from '../parts/page_grid.js';

const SCHEDULES = [['', 'never'], ['daily', 'every day'], ['weekly', 'every week'], ['hourly', 'every hour']];
const NAME = 250;

const address = text => (/^https?:\/\//i.test(text.trim()) ? text.trim() : `https://${text.trim()}`);
const lines = text => text.split('\n').map(line => line.trim()).filter(Boolean);

/** What the API calls the config of a website. */
const configOf = fields => ({
  root_url: address(fields.root),
  max_pages: Number(fields.pages),
  max_depth: Number(fields.depth),
  delay_seconds: Number(fields.delay),
  respect_robots: fields.robots === 'on',
  ...(fields.sitemap && { sitemap_url: address(fields.sitemap) }),
  ...(lines(fields.include).length && { include: lines(fields.include) }),
  ...(lines(fields.exclude).length && { exclude: lines(fields.exclude) }),
});

function Wish({ bots, chosen, looked }) {
  const look = async fields => {
    const config = configOf(fields);
    const preview = await api.post('/v1/sources/preview', { config });
    looked({ config, preview, bot: fields.bot, refresh: fields.refresh });
  };
  return html`<${Form} send=${look} action=${t('Look what is there')}>
    <${Field} label=${t('Address of the website')} of="config.root_url"><input class="f" name="root" inputmode="url" spellcheck=${false} placeholder="https://example.com" defaultValue=${params.value.get('url') ?? ''} required/></>
    <div class="pair"><${Field} label=${t('Bot')}><select class="f" name="bot">${bots.map(bot => html`<option value=${bot.id} selected=${bot.id === chosen}>${bot.name}</option>`)}</select></>
      <${Field} label=${t('Read again')}><select class="f" name="refresh">${SCHEDULES.map(([value, label]) => html`<option value=${value}>${t(label)}</option>`)}</select></></div>
    <${Field} label=${t('At most so many pages')} of="config.max_pages"><input class="f" name="pages" type="number" min="1" max="2000" defaultValue="50" required/></>
    <details><summary>${t('More settings')}</summary><div class="form">
      <${Field} label=${t('Only addresses like')} of="config.include" hint=${t('One in each line, such as /docs/*')}><textarea class="f mono" name="include" rows="2"></textarea></>
      <${Field} label=${t('No addresses like')} of="config.exclude"><textarea class="f mono" name="exclude" rows="2" placeholder="/tags/*"></textarea></>
      <${Field} label=${t('Sitemap')} of="config.sitemap_url" hint=${t('Found by itself if nothing is said.')}><input class="f mono" name="sitemap"/></>
      <div class="pair"><${Field} label=${t('Links from the start, at most')} of="config.max_depth"><input class="f" name="depth" type="number" min="0" max="10" defaultValue="3" required/></>
        <${Field} label=${t('Seconds between two pages')} of="config.delay_seconds"><input class="f" name="delay" type="number" min="0.2" max="60" step="0.1" defaultValue="1" required/></></div>
      <${Check} name="robots" of="config.respect_robots" label=${t('Obey robots.txt')} defaultChecked/></div></details></>`;
}

function Found({ of, again }) {
  const { config, preview, bot, refresh } = of;
  const state = useSignal({});
  const start = async () => {
    state.value = { busy: true };
    try {
      const name = config.root_url.replace(/^https?:\/\//i, '').replace(/\/$/, '').slice(0, NAME);
      const source = await api.post('/v1/sources', { bot_profile_id: bot, name, source_type: 'website', config, refresh_schedule: refresh || null });
      await api.post(`/v1/sources/${source.id}/ingest`);
      go(`/sources/${source.id}`);
    } catch (error) {
      state.value = { error };
    }
  };
  const seconds = preview.included * preview.delay_seconds;
  const time = seconds < 90 ? t('{n} seconds', { n: number(Math.ceil(seconds)) }) : t('{n} minutes', { n: number(Math.ceil(seconds / 60)) });
  return html`<section class="sec"><header><h2>${counted(preview.included, '1 page would be read', '{n} pages would be read')}</h2></header>
    <dl class="kv"><dt>${t('Address')}</dt><dd class="mono">${config.root_url}</dd><dt>${t('Takes about')}</dt><dd>${time} <span class="soft">${t('and more as links are found')}</span></dd>
      <dt>${t('Sitemaps')}</dt><dd class="mono">${preview.sitemaps.join(', ') || html`<span class="soft">${t('none')}</span>`}</dd>
      ${preview.notes.length > 0 && html`<dt>${t('Notes')}</dt><dd>${preview.notes.map(told).join('; ')}</dd>`}</dl>
    <div class="bar after"><button class="btn go" disabled=${state.value.busy || preview.included === 0} onClick=${start}>${state.value.busy ? t('One moment…') : t('Start the import')}</button><button class="btn" onClick=${again}>${t('Change something')}</button></div>
    <${Trouble} error=${state.value.error}/>
    <${PageGrid} pages=${preview.pages.map(page => ({ ...page, outcome: page.included ? 'pending' : 'skipped' }))}/></section>`;
}

export default function Import() {
  const bots = useApi('/v1/bot-profiles');
  const seen = useSignal(null);
  if (!bots.data) return html`<${Waiting} error=${bots.error} reload=${bots.reload}/>`;
  const head = html`<${Head} title=${t('Import a website')} lead=${t('Every page becomes a source that your bot may quote. You see what would be read first.')}/>`;
  if (bots.data.length === 0) return html`${head}<${Empty} title=${t('No bot yet')}><p>${t('A source belongs to a bot.')}</p><a class="btn go" href=${href('/start')}><${Icon} name="bot"/>${t('Set up a bot')}</a></>`;
  return html`${head}<div hidden=${Boolean(seen.value)}><${Wish} bots=${bots.data} chosen=${params.value.get('bot') ?? bots.data[0].id} looked=${found => (seen.value = found)}/></div>
    ${seen.value && html`<${Found} of=${seen.value} again=${() => (seen.value = null)}/>`}`;
}
