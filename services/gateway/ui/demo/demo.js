/** The widget on a page of our own, with what the address names or with the demo bot. */

const asked = new URLSearchParams(location.hash.slice(1));
const settings = asked.size
  ? Object.fromEntries(asked)
  : await fetch('/demo/settings.json').then(response => response.json());

const show = id => (document.getElementById(id).hidden = false);

if (settings.key || (settings.bot && settings.token)) {
  const widget = document.createElement('minirag-widget');
  const named = { key: 'key', bot: 'bot-id', token: 'api-token' };
  for (const [name, value] of Object.entries(settings)) {
    if (value) widget.setAttribute(named[name] ?? name, value);
  }
  document.body.append(widget);
  const code = settings.key ? `data-key="${settings.key}"` : `data-bot-id="${settings.bot}" data-api-token="…"`;
  document.getElementById('snippet').textContent =
    `<script src="${location.origin}/dashboard/widget/minirag-widget.js"\n        ${code} async></script>`;
  show('ready');
} else {
  show('missing');
}
