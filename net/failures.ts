/**
 * Errors of the way to a host: the proxy's, and those of certificates. Nothing of the library's text goes further than here, because it
 * may quote the address of the proxy with its password.
 */
import { CourierError } from '../errors/index.ts';
import type { ProxyServer } from './proxy.ts';

/** Errors before anything was sent: behind a proxy they are about the proxy, which is connected to first. */
const UNREACHED = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'],
  ...['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_PRX_CONN', 'UND_ERR_PRX_TLS'],
]);

const UNTRUSTED = new Set([
  ...['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ...['SELF_SIGNED_CERT_IN_CHAIN', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_UNTRUSTED', 'CERT_SIGNATURE_FAILURE'],
  ...['INVALID_CA', 'INVALID_PURPOSE', 'CERT_REJECTED', 'CERT_CHAIN_TOO_LONG', 'PATH_LENGTH_EXCEEDED'],
]);
const OTHER_CERTIFICATE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired, or the clock of this computer is wrong',
  CERT_NOT_YET_VALID: 'is not valid yet, or the clock of this computer is wrong',
  CERT_REVOKED: 'was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name',
  HOSTNAME_MISMATCH: 'is for another name',
};

/** The settings by which the host was reached. */
interface Way {
  readonly proxy: () => ProxyServer | undefined;
  readonly caFile: string | undefined;
}

export function connectionFailure(error: unknown, address: string, way: Way): CourierError | undefined {
  const codes = codesIn(error);
  return certificateFailure(codes, address, way) ?? proxyFailure(error, codes, address, way);
}

function certificateFailure(
  codes: readonly string[],
  address: string,
  { proxy, caFile }: Way,
): CourierError | undefined {
  const code = codes.find((one) => UNTRUSTED.has(one) || one in OTHER_CERTIFICATE);
  if (code === undefined) return undefined;
  const between = safely(proxy)?.shown;
  const whose = between?.startsWith('https:') ? ` or of the proxy ${between}` : '';
  const used = caFile === undefined ? 'No CA file is set' : `The CA file in use is ${caFile}`;
  const why =
    OTHER_CERTIFICATE[code] ??
    `comes from an authority that is not trusted here. ${used}: name one with COURIER_CA_FILE, or \`caFile\` under \`network\` in config.json`;
  return new CourierError('NDI_E_CERTIFICATE', {
    detail: `The certificate of ${new URL(address).host}${whose} ${why} (${code}).`,
  });
}

function proxyFailure(
  error: unknown,
  codes: readonly string[],
  address: string,
  { proxy }: Way,
): CourierError | undefined {
  const answered = proxyStatus(error);
  const isUnreached = codes.some((code) => UNREACHED.has(code));
  if (answered === undefined && !isUnreached) return undefined;
  const between = safely(proxy);
  if (between === undefined) return undefined;
  const happened = answered === undefined ? `could not be reached (${codes[0]})` : `answered ${answered}`;
  const hint = answered === 407 ? ' It asks for a name and a password: put them into that variable.' : '';
  return new CourierError('NDI_E_PROXY', {
    detail: `${between.shown} (from ${between.from}) ${happened} for ${new URL(address).host}.${hint}`,
  });
}

function safely<Value>(body: () => Value): Value | undefined {
  try {
    return body();
  } catch {
    return undefined;
  }
}

/** The codes of an error and its causes; an AggregateError speaks by its first reason. */
export function codesIn(error: unknown): string[] {
  if (typeof error !== 'object' || error === null) return [];
  const { code, cause, errors } = error as { code?: unknown; cause?: unknown; errors?: unknown };
  const own = typeof code === 'string' && /^[A-Z_0-9]{1,60}$/.test(code) ? [code] : [];
  return [...codesIn(cause), ...(Array.isArray(errors) ? codesIn(errors[0]) : []), ...own];
}

/** The status of a proxy that refused; the library tells it in its text only. */
function proxyStatus(error: unknown): number | undefined {
  const text = error instanceof Error ? error.message : '';
  const status = /^Proxy response \((\d{3})\)/.exec(text)?.[1] ?? /^Proxy .*\((407)\)/.exec(text)?.[1];
  return status === undefined ? undefined : Number(status);
}
