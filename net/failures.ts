/**
 * Errors of the way to a host: the proxy's. Nothing of the library's text goes further than here, because it
 * may quote the address of the proxy with its password.
 */
import { CourierError } from '../errors/index.ts';
import type { ProxyServer } from './proxy.ts';

/** Errors before anything was sent: behind a proxy they are about the proxy, which is connected to first. */
const UNREACHED = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'],
  ...['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_PRX_CONN', 'UND_ERR_PRX_TLS'],
]);

export function connectionFailure(
  error: unknown,
  address: string,
  proxy: () => ProxyServer | undefined,
): CourierError | undefined {
  const codes = codesIn(error);
  const answered = proxyStatus(error);
  const isUnreached = codes.some((code) => UNREACHED.has(code));
  if (answered === undefined && !isUnreached) return undefined;
  const way = safely(proxy);
  if (way === undefined) return undefined;
  const happened = answered === undefined ? `could not be reached (${codes[0]})` : `answered ${answered}`;
  const hint = answered === 407 ? ' It asks for a name and a password: put them into that variable.' : '';
  return new CourierError('NDI_E_PROXY', {
    detail: `${way.shown} (from ${way.from}) ${happened} for ${new URL(address).host}.${hint}`,
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
