/** Who may do what in this workspace. */

import { Icon, html } from '../lib/kit.js';
import { api, session, useApi } from '../lib/api.js';
import { params, set } from '../lib/router.js';
import { t } from '../lib/words.js';
import { Dialog, Field, Form, Head, Status, Sure, Waiting, tell } from '../parts/basics.js';
import { Table } from '../parts/table.js';

const ROLES = [['member', 'reads and chats'], ['admin', 'also changes bots, sources, keys and people'], ['owner', 'also manages owners']];

/** The roles that whoever is signed in may give. */
function Roles({ chosen }) {
  const given = ROLES.filter(([role]) => role !== 'owner' || session.value.user.role === 'owner');
  return html`<${Field} label=${t('Role')}><select class="f" name="role">${given.map(([role, what]) => html`<option value=${role} selected=${role === chosen}>${t(role)}: ${t(what)}</option>`)}</select></>`;
}

export default function Team() {
  const users = useApi('/v1/users');
  const adding = params.value.get('add');
  const done = () => set({ add: '', role: '' });
  if (!users.data) return html`<${Waiting} error=${users.error} reload=${users.reload}/>`;
  const me = session.value.user;
  const may = me.role !== 'member';
  // Nobody takes the own rights away, and only owners take those of an owner.
  const mayTouch = user => may && user.is_active && user.id !== me.id && (user.role !== 'owner' || me.role === 'owner');
  const changed = users.data.find(user => user.id === params.value.get('role') && mayTouch(user));
  const add = async fields => {
    await api.post('/v1/users', fields);
    done();
    users.reload();
  };
  const change = async ({ role }) => {
    await api.patch(`/v1/users/${changed.id}/role`, { role });
    tell(t('Changed. It counts from now on.'));
    done();
    users.reload();
  };
  const columns = [
    { key: 'email', label: t('E-mail') },
    { key: 'display_name', label: t('Name') },
    { key: 'role', label: t('Role'), text: user => t(user.role), cell: user => t(user.role) },
    { key: 'is_active', label: t('State'), text: user => t(user.is_active ? 'live' : 'off'), cell: user => html`<${Status} is=${user.is_active ? 'live' : 'off'}/>` },
    { key: 'act', label: '', cell: user => mayTouch(user) && html`<span class="acts"><button class="btn" type="button" onClick=${() => set({ role: user.id })}><${Icon} name="key"/>${t('Change role')}</button><${Sure} label=${t('Remove')} question=${t('All sessions of this person end.')} act=${() => api.delete(`/v1/users/${user.id}`).then(users.reload)}/></span>` },
  ];
  return html`<${Head} title=${t('Team')} lead=${t('Everybody here sees the same bots, sources and chats.')}>${may && html`<button class="btn go" onClick=${() => set({ add: '1' })}><${Icon} name="plus"/>${t('Add a person')}</button>`}</>
    <${Table} rows=${users.data} columns=${columns} caption=${t('Team')}/>
    ${changed && html`<${Dialog} title=${t('Role of {name}', { name: changed.display_name || changed.email })} close=${done}><${Form} send=${change} action=${t('Save')}><${Roles} chosen=${changed.role}/></></>`}
    ${adding && may && html`<${Dialog} title=${t('Add a person')} close=${done}><${Form} send=${add} action=${t('Add')}>
      <${Field} label=${t('E-mail')}><input class="f" name="email" type="email" maxlength="320" autocomplete="off" required/></>
      <${Field} label=${t('Name')}><input class="f" name="display_name" maxlength="255"/></>
      <${Field} label=${t('First password')} hint=${t('At least 8 characters. Hand it over, to be changed.')}><input class="f" name="password" type="password" minlength="8" maxlength="128" autocomplete="new-password" required/></>
      <${Roles}/></></>`}`;
}
