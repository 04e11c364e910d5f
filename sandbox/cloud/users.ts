/** Users: U1–U7 (NDI Cloud contract §2.2). */
import { randomInt } from 'node:crypto';
import { newCloudId } from '../store.ts';
import {
  type Api,
  type Ask,
  badRequest,
  type Cloud,
  isObject,
  notFound,
  ok,
  refuse,
  textOf,
  type UserRow,
  userOf,
} from './http.ts';

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
  api.route('GET', '/users/me/matlab-license', 'required', (ask) => ok(licenseOf(userOf(ask))));
  api.route('POST', '/users/me/matlab-license', 'required', provisionLicense);
  api.route('PUT', '/users/me/matlab-license', 'required', putLicense);
  api.route('DELETE', '/users/me/matlab-license', 'required', deleteLicense);
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

const NO_LICENSE = {
  mode: null,
  eniId: null,
  macAddress: null,
  subnetId: null,
  registeredAt: null,
  files: [] as { release: string }[],
  instructions: null as string | null,
};
type License = { [K in keyof typeof NO_LICENSE]: (typeof NO_LICENSE)[K] | string };

const licenseOf = (user: UserRow): License => (user.license === null ? NO_LICENSE : JSON.parse(user.license));

function saveLicense(ask: Ask, license: License | null): void {
  const text = license === null ? null : JSON.stringify(license);
  ask.cloud.store.run('UPDATE users SET license=? WHERE id=?', text, userOf(ask).id);
}

function provisionLicense(ask: Ask) {
  const user = userOf(ask);
  const known = licenseOf(user);
  if (known.mode === 'network') throw refuse(409, { message: 'A network license is registered' });
  if (known.mode === 'dedicated') return ok(known);
  const macAddress = `02:${user.id.slice(-10).match(/../g)?.join(':') ?? '00'}`;
  const license: License = {
    ...NO_LICENSE,
    mode: 'dedicated',
    eniId: `eni-${user.id.slice(0, 17)}`,
    macAddress,
    subnetId: 'subnet-sandbox',
    registeredAt: new Date(ask.cloud.now()).toISOString(),
    instructions: `Create a license file for host ID ${macAddress}.`,
  };
  saveLicense(ask, license);
  return ok(license, 201);
}

/** The two clients disagree about this body (§2.2 U6): both forms are taken. */
async function putLicense(ask: Ask) {
  const body = await ask.object();
  const network = body.networkLicenseFile ?? (body.mode === 'network' ? body.licenseFile : undefined);
  const dedicated = body.dedicatedLicenseFile ?? (body.mode === 'dedicated' ? body.licenseFile : undefined);
  const file = network ?? dedicated;
  if (typeof file !== 'string' || !/\b(INCREMENT|SERVER)\b/.test(file))
    throw badRequest('Not a license file');
  const known = licenseOf(userOf(ask));
  if (network !== undefined) {
    const license: License = {
      ...NO_LICENSE,
      mode: 'network',
      registeredAt: new Date(ask.cloud.now()).toISOString(),
    };
    saveLicense(ask, license);
    return ok(license);
  }
  const release = textOf(body.release);
  if (!/^R\d{4}[ab]$/.test(release)) throw badRequest('release is required for a dedicated license');
  const before = (Array.isArray(known.files) ? known.files : []).filter(
    (f) => isObject(f) && f.release !== release,
  );
  const license: License = { ...known, mode: 'dedicated', files: [...before, { release }] };
  saveLicense(ask, license);
  return ok(license);
}

function deleteLicense(ask: Ask) {
  const release = ask.query('release');
  const known = licenseOf(userOf(ask));
  const files = (Array.isArray(known.files) ? known.files : []).filter((f) => f.release !== release);
  if (release === undefined || files.length === 0) {
    saveLicense(ask, null);
    return { status: 204, body: undefined, text: '' };
  }
  saveLicense(ask, { ...known, files });
  return ok({ ...known, files });
}
