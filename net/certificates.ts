/**
 * Whose certificates are trusted: those of Node.js with NODE_EXTRA_CA_CERTS, which Node.js reads when it
 * starts, and those of a lab's own file.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { CourierError } from '../errors/index.ts';

/** Larger files are no list of certificates. */
const MAX_BYTES = 16 * 1024 * 1024;
const PEM =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/**
 * The certificates in a PEM file. `from` names the setting in errors.
 * @throws NDI_E_CA_FILE
 */
export function readCaFile(path: string, from: string): readonly string[] {
  const bad = (why: string): CourierError =>
    new CourierError('NDI_E_CA_FILE', { detail: `${path} (from ${from}) ${why}.` });
  let text: string;
  try {
    const { size } = statFile(path);
    if (size > MAX_BYTES) throw bad('is too large for a list of certificates');
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if (error instanceof CourierError) throw error;
    throw bad(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  const found = text.match(PEM) ?? [];
  if (found.length === 0) throw bad('holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)');
  for (const [index, pem] of found.entries()) {
    try {
      new X509Certificate(pem);
    } catch {
      throw bad(`has a certificate that cannot be read, number ${index + 1}`);
    }
  }
  return found;
}

/** A pipe would hold up the whole process. */
function statFile(path: string): { readonly size: number } {
  const stat = statSync(path);
  if (stat.isFile()) return stat;
  throw Object.assign(new Error('no file'), { code: stat.isDirectory() ? 'EISDIR' : 'ENOTSUP' });
}

/** Trusts what Node.js trusts, and the authorities of the file. */
export const contextWith = (path: string, from: string): SecureContext =>
  createSecureContext({ ca: [...getCACertificates('default'), ...readCaFile(path, from)] });
