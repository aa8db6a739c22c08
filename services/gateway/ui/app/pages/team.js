/** Who may do what in this workspace. */

import { Icon, html } from '../lib/kit.js';
import { api, session, useApi } from '../lib/api.js';
import { params, set } from '../lib/router.js';
import { t } from '../lib/words.js';
import { Dialog, Field, Form, Head, Status, Sure, Waiting } from '../parts/basics.js';
import { Table } from '../parts/table.js';

const ROLES = [['member', 'reads and chats'], ['admin', 'also changes bots, sources, keys and people'], ['owner', 'also manages owners']];

export default function Team() {
  const users = useApi('/v1/users');
  const adding = params.value.get('add');
  const done = () => set({ add: '' });
  if (!users.data) return html`<${Waiting} error=${users.error} reload=${users.reload}/>`;
  const me = session.value.user;
  const may = me.role !== 'member';
  const add = async fields => {
    await api.post('/v1/users', fields);
    done();
    users.reload();
  };
  const columns = [
    { key: 'email', label: t('E-mail') },
    { key: 'display_name', label: t('Name') },
    { key: 'role', label: t('Role'), text: user => t(user.role), cell: user => t(user.role) },
    { key: 'is_active', label: t('State'), text: user => t(user.is_active ? 'live' : 'off'), cell: user => html`<${Status} is=${user.is_active ? 'live' : 'off'}/>` },
    { key: 'act', label: '', cell: user => may && user.is_active && user.id !== me.id && html`<${Sure} label=${t('Remove')} question=${t('All sessions of this person end.')} act=${() => api.delete(`/v1/users/${user.id}`).then(users.reload)}/>` },
  ];
  return html`<${Head} title=${t('Team')} lead=${t('Everybody here sees the same bots, sources and chats.')}>${may && html`<button class="btn go" onClick=${() => set({ add: '1' })}><${Icon} name="plus"/>${t('Add a person')}</button>`}</>
    <${Table} rows=${users.data} columns=${columns} caption=${t('Team')}/>
    ${adding && may && html`<${Dialog} title=${t('Add a person')} close=${done}><${Form} send=${add} action=${t('Add')}>
      <${Field} label=${t('E-mail')}><input class="f" name="email" type="email" maxlength="320" autocomplete="off" required/></>
      <${Field} label=${t('Name')}><input class="f" name="display_name" maxlength="255"/></>
      <${Field} label=${t('First password')} hint=${t('At least 8 characters. Hand it over, to be changed.')}><input class="f" name="password" type="password" minlength="8" maxlength="128" autocomplete="new-password" required/></>
      <${Field} label=${t('Role')}><select class="f" name="role">${ROLES.filter(([role]) => role !== 'owner' || me.role === 'owner').map(([role, what]) => html`<option value=${role}>${t(role)}: ${t(what)}</option>`)}</select></></></>`}`;
}
