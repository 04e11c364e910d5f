/**
 * The paths of the older design notes that a tolerant server may answer, too (NDI Cloud contract §2.13). No
 * real client uses them; each is a second door to something that has its own file.
 */
import { newCloudId } from '../store.ts';
import { changePassword, confirmPassword, resend, verify } from './auth.ts';
import { datasetFor } from './dataset-record.ts';
import { bookmark, search, updateDataset } from './datasets.ts';
import { findText, updateDocument } from './documents.ts';
import { fileDetail, provisionBulk, provisionFile } from './files.ts';
import { type Api, type Ask, textOf, userOf } from './http.ts';
import { createDataset, listDatasets, organizationFor } from './organizations.ts';
import { badRequest, notFound, ok, refuse, type UserRow } from './refusal.ts';
import { organizationsOf, userRecord } from './users.ts';

/** Those that a route with a parameter would swallow, so they are registered before it. */
export function registerEarlyDesignNotes(api: Api): void {
  api.route('GET', '/datasets/search', 'none', search);
  api.route('GET', '/datasets/:d/documents/search', 'optional', (ask) =>
    ok(findText(ask, ask.query('q') ?? '', datasetFor(ask, 'read').id)),
  );
}

export function registerDesignNotes(api: Api): void {
  api.route('POST', '/auth/verify-email', 'none', verify);
  api.route('POST', '/auth/change-password', 'required', changePassword);
  api.route('POST', '/auth/forgot-password', 'none', resend);
  api.route('POST', '/auth/reset-password', 'none', confirmPassword);
  api.route('PUT', '/users/:userId', 'required', renameUser);
  api.route('DELETE', '/users/:userId', 'required', deleteUser);
  api.route('GET', '/datasets', 'required', (ask) => listDatasets(ask, firstOrganization(ask)));
  api.route('POST', '/datasets', 'required', (ask) => createDataset(ask, firstOrganization(ask)));
  api.route('PUT', '/datasets/:d', 'required', updateDataset);
  api.route('PUT', '/datasets/:d/documents/:doc', 'required', updateDocument);
  api.route('GET', '/datasets/:d/bookmark', 'required', (ask) => bookmark(ask, true));
  api.route('GET', '/datasets/:d/files/upload-url', 'required', (ask) =>
    ok({
      url: provisionFile(ask, datasetFor(ask, 'content'), ask.query('uid') ?? ask.query('fileUid') ?? ''),
    }),
  );
  api.route('POST', '/datasets/:d/files/bulk-upload', 'required', (ask) =>
    ok(provisionBulk(ask, datasetFor(ask, 'content'))),
  );
  api.route('GET', '/datasets/:d/files/:uid/download-url', 'optional', (ask) => {
    const { downloadUrl } = fileDetail(ask);
    if (downloadUrl === undefined) throw notFound('File not found');
    return ok({ downloadUrl });
  });
  api.route('POST', '/organizations', 'required', createOrganization);
  api.route('GET', '/organizations/:org', 'required', (ask) => ok(organizationRecord(ask)));
  api.route('PUT', '/organizations/:org', 'required', renameOrganization);
  api.route('POST', '/organizations/:org/users', 'required', addMember);
}

function firstOrganization(ask: Ask) {
  const first = organizationsOf(ask.cloud, userOf(ask).id)[0];
  if (first === undefined) throw badRequest('The user belongs to no organization');
  return first;
}

function organizationRecord(ask: Ask) {
  const organization = organizationFor(ask);
  return { id: organization.id, name: organization.name, canUploadDataset: organization.can_upload === 1 };
}

/** Oneself, by id or as `me`; administrators anybody. */
function accountFor(ask: Ask): UserRow {
  const asker = userOf(ask);
  const id = ask.param('userId');
  if (id === asker.id || id === 'me') return asker;
  if (asker.is_admin !== 1) throw refuse(403, { message: 'Forbidden' });
  const found = ask.cloud.store.get<UserRow>('SELECT * FROM users WHERE id=?', id);
  if (found === undefined) throw notFound('User not found');
  return found;
}

async function renameUser(ask: Ask) {
  const user = accountFor(ask);
  const name = textOf((await ask.object()).name);
  if (name !== '') ask.cloud.store.run('UPDATE users SET name=? WHERE id=?', name, user.id);
  return ok(userRecord(ask.cloud, ask.cloud.store.get<UserRow>('SELECT * FROM users WHERE id=?', user.id)!));
}

/** The account goes, its tokens with it; organisations and their datasets stay. */
function deleteUser(ask: Ask) {
  const { id } = accountFor(ask);
  const { store } = ask.cloud;
  store.transaction(() => {
    for (const table of ['memberships', 'bookmarks', 'write_locks', 'compute_sessions'])
      store.run(`DELETE FROM ${table} WHERE user_id=?`, id);
    store.run('DELETE FROM users WHERE id=?', id);
  });
  return ok({ message: 'User deleted' });
}

async function createOrganization(ask: Ask) {
  const name = textOf((await ask.object()).name);
  if (name === '') throw badRequest('name is required');
  const { store, now } = ask.cloud;
  const id = newCloudId(now());
  const position = organizationsOf(ask.cloud, userOf(ask).id).length;
  store.run('INSERT INTO organizations VALUES (?,?,0,?)', id, name, now());
  store.run('INSERT INTO memberships VALUES (?,?,?)', userOf(ask).id, id, position);
  return ok({ id, name, canUploadDataset: false }, 201);
}

async function renameOrganization(ask: Ask) {
  const organization = organizationFor(ask);
  const name = textOf((await ask.object()).name);
  if (name !== '') ask.cloud.store.run('UPDATE organizations SET name=? WHERE id=?', name, organization.id);
  return ok(organizationRecord(ask));
}

async function addMember(ask: Ask) {
  const organization = organizationFor(ask);
  const body = await ask.object();
  const { store } = ask.cloud;
  const found = store.get<UserRow>(
    'SELECT * FROM users WHERE id=? OR email=?',
    textOf(body.userId),
    textOf(body.email),
  );
  if (found === undefined) throw notFound('User not found');
  const position = organizationsOf(ask.cloud, found.id).length;
  store.run('INSERT OR IGNORE INTO memberships VALUES (?,?,?)', found.id, organization.id, position);
  return ok({ message: 'User added' });
}
