/** Users: U1–U3 (NDI Cloud contract §2.2); the MATLAB licence is in `license.ts`. */
import { randomInt } from 'node:crypto';
import { newCloudId } from '../store.ts';
import { type Api, type Ask, type Cloud, textOf, userOf } from './http.ts';
import { notFound, ok, refuse, type UserRow } from './refusal.ts';

export interface OrganizationRow {
  id: string;
  name: string;
  can_upload: number;
}

/** In the order in which the user joined: clients take the first (§1.4). */
export const organizationsOf = (cloud: Cloud, userId: string): OrganizationRow[] =>
  cloud.store.all<OrganizationRow>(
    'SELECT o.id, o.name, o.can_upload FROM memberships m JOIN organizations o ON o.id=m.organization_id WHERE m.user_id=? ORDER BY m.position',
    userId,
  );

export const isMember = (cloud: Cloud, userId: string, organizationId: string): boolean =>
  cloud.store.get(
    'SELECT 1 FROM memberships WHERE user_id=? AND organization_id=?',
    userId,
    organizationId,
  ) !== undefined;

/** "UserWithOrganizationsResult": the shape of login, sign-up and `me`. */
export function userRecord(cloud: Cloud, user: UserRow): Record<string, unknown> {
  return {
    id: user.id,
    email: user.email,
    name: user.name,
    isValidated: user.is_validated === 1,
    isAdmin: user.is_admin === 1,
    bookmarkedDatasetIds: cloud.store
      .all<{ dataset_id: string }>('SELECT dataset_id FROM bookmarks WHERE user_id=?', user.id)
      .map((row) => row.dataset_id),
    organizations: organizationsOf(cloud, user.id).map((o) => ({
      id: o.id,
      name: o.name,
      canUploadDataset: o.can_upload === 1,
    })),
  };
}

export const newCode = (): string => String(randomInt(1_000_000)).padStart(6, '0');

/** Cognito's rule as the sandbox has it: 8 characters or more. */
export const passwordIsWeak = (password: string): boolean => password.length < 8;

export function registerUsers(api: Api): void {
  api.route('POST', '/users', 'none', signUp);
  api.route('GET', '/users/me', 'required', (ask) => ok(userRecord(ask.cloud, userOf(ask))));
  api.route('GET', '/users/:userId', 'required', getUser);
}

async function signUp(ask: Ask) {
  const { cloud } = ask;
  const body = await ask.object();
  const [email, name, password] = [textOf(body.email), textOf(body.name), textOf(body.password)];
  if (!/^\S+@\S+$/.test(email) || name === '') throw refuse(400, { code: 'InvalidParameterException' });
  if (passwordIsWeak(password)) throw refuse(400, { code: 'InvalidPasswordException' });
  if (cloud.store.get('SELECT 1 FROM users WHERE email=?', email) !== undefined) {
    throw refuse(400, { code: 'UsernameExistsException' });
  }
  const userId = newCloudId(cloud.now());
  cloud.store.transaction(() => {
    const organizationId = newCloudId(cloud.now());
    const insert =
      'INSERT INTO users (id, email, name, password, is_validated, code, created_ms) VALUES (?,?,?,?,0,?,?)';
    cloud.store.run(insert, userId, email, name, password, newCode(), cloud.now());
    // A default organisation comes with the account; who may upload is decided by an administrator.
    cloud.store.run(
      'INSERT INTO organizations VALUES (?,?,0,?)',
      organizationId,
      `${name}'s organization`,
      cloud.now(),
    );
    cloud.store.run('INSERT INTO memberships VALUES (?,?,0)', userId, organizationId);
  });
  return ok(userRecord(cloud, cloud.store.get<UserRow>('SELECT * FROM users WHERE id=?', userId)!));
}

function getUser(ask: Ask) {
  const asker = userOf(ask);
  const user = ask.cloud.store.get<UserRow>('SELECT * FROM users WHERE id=?', ask.param('userId'));
  if (user === undefined) throw notFound('User not found');
  if (user.id === asker.id || asker.is_admin === 1) return ok(userRecord(ask.cloud, user));
  return ok({ id: user.id, name: user.name });
}
