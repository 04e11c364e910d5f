/**
 * The certificate of a sandbox that serves TLS, and the authority that signs it. The authority's key is
 * forgotten as soon as it has signed: whoever trusts `ca.pem` trusts this one certificate and no other.
 */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { writeAtomically } from '../disk/write.ts';

export interface SandboxCertificate {
  /** Absolute path of the PEM file that clients must trust. */
  readonly caFile: string;
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
/** The longest that Apple's systems accept. */
const VALID_DAYS = 397;
/** A certificate that ends sooner is made anew, so that it does not end while a sandbox runs. */
const RENEW_BEFORE_DAYS = 30;

/** The certificate in the folder if it is good for these names, else a new one. */
export function certificateIn(
  dir: string,
  names: readonly string[],
  nowMs: number = Date.now(),
): SandboxCertificate {
  const caFile = resolve(dir, 'ca.pem');
  const serverFile = join(dir, 'server.pem');
  const known = readKnown(caFile, serverFile, names, nowMs);
  if (known !== undefined) return known;
  const made = makeCertificate(names, nowMs);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  // The key first: a pair that does not fit, after a crash, is made anew.
  writeAtomically(serverFile, made.key + made.cert, { mode: 0o600 });
  writeAtomically(caFile, made.ca, { mode: 0o644 });
  return { caFile, cert: made.cert, key: made.key };
}

function readKnown(
  caFile: string,
  serverFile: string,
  names: readonly string[],
  nowMs: number,
): SandboxCertificate | undefined {
  try {
    const both = readFileSync(serverFile, 'utf8');
    const at = both.indexOf('-----BEGIN CERTIFICATE');
    const [key, cert] = [both.slice(0, at), both.slice(at)];
    const [server, authority] = [new X509Certificate(cert), new X509Certificate(readFileSync(caFile))];
    const isGood =
      server.checkIssued(authority) &&
      server.verify(authority.publicKey) &&
      server.checkPrivateKey(createPrivateKey(key)) &&
      nowMs > server.validFromDate.getTime() &&
      nowMs < server.validToDate.getTime() - RENEW_BEFORE_DAYS * DAY_MS &&
      names.every((name) => (isIP(name) === 0 ? server.checkHost(name) : server.checkIP(name)) !== undefined);
    return isGood ? { caFile, cert, key } : undefined;
  } catch {
    return undefined;
  }
}

/** A new authority and a server's certificate by it, PEM. */
export function makeCertificate(
  names: readonly string[],
  nowMs: number = Date.now(),
): { readonly ca: string; readonly cert: string; readonly key: string } {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = nameOf('NDI sandbox, made on this computer');
  const common = { issuer, signer: authority.privateKey, nowMs };
  const ca = certificate({
    ...common,
    subject: issuer,
    publicKey: authority.publicKey,
    extensions: [
      extension(OID.basicConstraints, sequence(TRUE), true),
      // keyCertSign and cRLSign.
      extension(OID.keyUsage, der(0x03, Buffer.of(1, 0x06)), true),
      extension(OID.subjectKeyIdentifier, der(0x04, keyId(authority.publicKey))),
    ],
  });
  const cert = certificate({
    ...common,
    subject: nameOf(names[0] ?? 'localhost'),
    publicKey: server.publicKey,
    extensions: [
      extension(OID.basicConstraints, sequence(), true),
      // digitalSignature.
      extension(OID.keyUsage, der(0x03, Buffer.of(7, 0x80)), true),
      extension(OID.extendedKeyUsage, sequence(OID.serverAuth)),
      extension(OID.subjectAltName, sequence(...names.map(alternativeName))),
      extension(OID.subjectKeyIdentifier, der(0x04, keyId(server.publicKey))),
      extension(OID.authorityKeyIdentifier, sequence(der(0x80, keyId(authority.publicKey)))),
    ],
  });
  return { ca, cert, key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

interface CertificateParts {
  readonly subject: Buffer;
  readonly issuer: Buffer;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly nowMs: number;
  readonly extensions: readonly Buffer[];
}

/** An X.509 certificate, version 3 (RFC 5280 §4.1), PEM. */
function certificate({ subject, issuer, publicKey, signer, nowMs, extensions }: CertificateParts): string {
  const algorithm = sequence(OID.ecdsaWithSha256);
  // A positive number that nobody else uses.
  const serial = Buffer.concat([Buffer.of(0x40), randomBytes(15)]);
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    issuer,
    // Clocks of other computers may be an hour late.
    sequence(time(nowMs - 3_600_000), time(nowMs + VALID_DAYS * DAY_MS)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const whole = sequence(toBeSigned, algorithm, bitString(sign('sha256', toBeSigned, signer)));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** Tag, length and value: how X.509 writes everything. */
function der(tag: number, ...values: readonly Buffer[]): Buffer {
  const value = Buffer.concat(values);
  const size = value.length;
  if (size < 0x80) return Buffer.concat([Buffer.of(tag, size), value]);
  const length = size < 0x100 ? Buffer.of(0x81, size) : Buffer.of(0x82, size >> 8, size & 0xff);
  return Buffer.concat([Buffer.of(tag), length, value]);
}

const sequence = (...items: readonly Buffer[]): Buffer => der(0x30, ...items);
const bitString = (bits: Buffer): Buffer => der(0x03, Buffer.of(0), bits);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const TRUE = der(0x01, Buffer.of(0xff));

const OID = {
  commonName: oid('550403'),
  subjectKeyIdentifier: oid('551d0e'),
  keyUsage: oid('551d0f'),
  subjectAltName: oid('551d11'),
  basicConstraints: oid('551d13'),
  authorityKeyIdentifier: oid('551d23'),
  extendedKeyUsage: oid('551d25'),
  serverAuth: oid('2b06010505070301'),
  ecdsaWithSha256: oid('2a8648ce3d040302'),
} as const;

const extension = (id: Buffer, value: Buffer, isCritical = false): Buffer =>
  sequence(id, ...(isCritical ? [TRUE] : []), der(0x04, value));

const nameOf = (commonName: string): Buffer =>
  sequence(der(0x31, sequence(OID.commonName, der(0x0c, Buffer.from(commonName)))));

/** `YYYYMMDDHHMMSSZ`; two digits of the year until 2049 (RFC 5280 §4.1.2.5). */
function time(ms: number): Buffer {
  const digits = `${new Date(ms).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')}`;
  return digits < '2050' ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

const keyId = (key: KeyObject): Buffer =>
  createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();

function alternativeName(name: string): Buffer {
  if (isIP(name) === 4) return der(0x87, Buffer.from(name.split('.').map(Number)));
  if (name === '::1') return der(0x87, Buffer.from([...Array<number>(15).fill(0), 1]));
  return der(0x82, Buffer.from(name));
}
