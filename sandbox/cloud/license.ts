/** The MATLAB licence of an account: U4–U7 (NDI Cloud contract §2.2). */
import { type Api, type Ask, textOf, userOf } from './http.ts';
import { badRequest, ok, refuse, type UserRow } from './refusal.ts';

const PATH = '/users/me/matlab-license';

export function registerLicense(api: Api): void {
  api.route('GET', PATH, 'required', (ask) => ok(licenseOf(userOf(ask))));
  api.route('POST', PATH, 'required', provisionLicense);
  api.route('PUT', PATH, 'required', putLicense);
  api.route('DELETE', PATH, 'required', deleteLicense);
}

/** "MatlabLicenseStatus". */
interface License {
  readonly mode: 'dedicated' | 'network' | null;
  readonly eniId: string | null;
  readonly macAddress: string | null;
  readonly subnetId: string | null;
  readonly registeredAt: string | null;
  readonly files: readonly { readonly release: string }[];
  readonly instructions: string | null;
}

const NO_LICENSE: License = {
  mode: null,
  eniId: null,
  macAddress: null,
  subnetId: null,
  registeredAt: null,
  files: [],
  instructions: null,
};

export const licenseOf = (user: UserRow): License =>
  user.license === null ? NO_LICENSE : (JSON.parse(user.license) as License);

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
  const before = known.files.filter((file) => file.release !== release);
  const license: License = { ...known, mode: 'dedicated', files: [...before, { release }] };
  saveLicense(ask, license);
  return ok(license);
}

function deleteLicense(ask: Ask) {
  const release = ask.query('release');
  const known = licenseOf(userOf(ask));
  const files = known.files.filter((file) => file.release !== release);
  if (release === undefined || files.length === 0) {
    saveLicense(ask, null);
    return ok(undefined, 204);
  }
  saveLicense(ask, { ...known, files });
  return ok({ ...known, files });
}
