/** The MATLAB licence of the account (NDI Cloud contract §2.2, U4–U7). */
import { z } from 'zod';
import { listOf, optionalText, readAs } from './answers.ts';
import type { ApiCall, Requester } from './request.ts';

/** U6: clients disagree about the body; the server is given MATLAB's, which was written against it. */
export type MatlabLicense =
  | { readonly networkLicenseFile: string }
  | { readonly dedicatedLicenseFile: string; readonly release: string };

export interface MatlabLicenseStatus {
  /** Undefined: none is registered. */
  readonly mode: 'dedicated' | 'network' | undefined;
  /** The network address that a licence file has to be made for. */
  readonly macAddress: string | undefined;
  readonly eniId: string | undefined;
  readonly subnetId: string | undefined;
  readonly registeredAt: string | undefined;
  /** Releases there is a file for. */
  readonly releases: readonly string[];
  readonly instructions: string | undefined;
}

export interface LicenseRoutes {
  matlabLicense(signal?: AbortSignal): Promise<MatlabLicenseStatus>;
  registerMatlabLicense(signal?: AbortSignal): Promise<MatlabLicenseStatus>;
  setMatlabLicense(license: MatlabLicense, signal?: AbortSignal): Promise<MatlabLicenseStatus>;
  /** Without a release, all of it. */
  removeMatlabLicense(release?: string, signal?: AbortSignal): Promise<MatlabLicenseStatus>;
}

/** The members of `files[]` are not known; a release is what is asked of them. */
const releaseOf = z.unknown().transform((file): string | undefined => {
  const release = typeof file === 'object' && file !== null ? (file as { release?: unknown }).release : file;
  return typeof release === 'string' && release !== '' ? release : undefined;
});

const statusAnswer = z
  .looseObject({
    // Null or "" where there is none.
    mode: z.enum(['dedicated', 'network']).optional().catch(undefined),
    macAddress: optionalText,
    eniId: optionalText,
    subnetId: optionalText,
    registeredAt: optionalText,
    files: listOf(releaseOf),
    instructions: optionalText,
  })
  .transform(
    ({ mode, macAddress, eniId, subnetId, registeredAt, files, instructions }): MatlabLicenseStatus => ({
      mode,
      macAddress,
      eniId,
      subnetId,
      registeredAt,
      releases: files.filter((release) => release !== undefined),
      instructions,
    }),
  );

export function createLicense(requester: Requester): LicenseRoutes {
  const send = async (method: ApiCall['method'], more: Partial<ApiCall>): Promise<MatlabLicenseStatus> => {
    const path = ['users', 'me', 'matlab-license'];
    const answer = await requester.send({
      method,
      path,
      kind: 'account',
      what: 'the MATLAB licence',
      ...more,
    });
    // A full clear answers 204, with nothing to read (U7).
    return readAs(answer.text.trim() === '' ? { ...answer, text: '{}' } : answer, statusAnswer);
  };
  return {
    matlabLicense: (signal) => send('GET', { signal }),
    registerMatlabLicense: (signal) => send('POST', { signal }),
    setMatlabLicense: (file, signal) => send('PUT', { json: file, secrets: Object.values(file), signal }),
    removeMatlabLicense: (release, signal) => send('DELETE', { query: { release }, signal }),
  };
}
