/**
 * The one place that knows what an answer's status and body mean on a route (NDI Cloud contract §2.0, §2.11),
 * and what a broken connection means. Everything else in this room asks here and throws what it gets.
 *
 * Bodies are not to be relied on (§10 no. 1): the status decides, and a body only refines it where the
 * contract has recorded what the server says.
 */
import { CourierError, type ErrorCode } from '../../errors/index.ts';
import { parseLenient } from './json-text.ts';
import { type Redirect, redirectHint } from './redirect.ts';
import { sanitize } from './sanitize.ts';

/**
 * The kind of route that was asked; the same status means different things. `lifecycle` is publish, submit
 * and the like.
 */
export type RouteKind = 'login' | 'account' | 'read' | 'write' | 'lifecycle';

export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  readonly requestId: string;
  readonly retryAfter: string | undefined;
  /** The server's clock, to read a `Retry-After` date without trusting ours. */
  readonly date: string | undefined;
  readonly redirect?: Redirect | undefined;
}

export interface RequestInfo {
  readonly kind: RouteKind;
  /** In words, for the message: `dataset 668b…`. */
  readonly what: string;
  /** The base address that was asked. */
  readonly baseUrl: string;
  /** Cloud ids in the address, which a 404 may mean. */
  readonly ids: readonly string[];
  /** False when the call went out without a token. */
  readonly withToken: boolean;
  /** Exact texts that must not appear in a message. */
  readonly secrets: readonly string[];
}

/** A server may ask for patience, but not for a day of it. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/** `undefined` for a success (2xx); otherwise the error to throw. */
export function outcomeOf(asked: RequestInfo, answered: RawAnswer): CourierError | undefined {
  if (answered.status >= 200 && answered.status < 300) return undefined;
  const said = saidIn(answered.text, asked.secrets);
  const code = codeOf(asked, answered.status, said);
  const retryAfterMs = retryAfterOf(answered, said);
  const theirs = said.code === '' || said.message.includes(said.code) ? '' : ` [${said.code}]`;
  const words = said.message === '' ? '' : `: ${said.message}${theirs}`;
  const hint = hintOf(code, asked, answered, said);
  return new CourierError(code, {
    detail: `${sanitize(asked.what, asked.secrets)} (HTTP ${answered.status}${words})${hint}`,
    requestId: answered.requestId,
    retryAfterMs,
  });
}

/** A person's likely mistake, from all that the answer shows. */
function hintOf(code: ErrorCode, asked: RequestInfo, answered: RawAnswer, said: ServerMessage): string {
  const { kind, baseUrl, ids } = asked;
  const { status, redirect } = answered;
  if (code === 'NDI_E_SETTING' && status >= 300 && status < 400) {
    const words =
      redirect === undefined ? 'The address of NDI Cloud redirects' : redirectHint(redirect, asked.secrets);
    return ` ${words}; check NDI_CLOUD_URL.`;
  }
  const isForgotten = kind === 'login' && (status === 403 || status === 404) && !/\/v\d+$/.test(baseUrl);
  if (isForgotten) return ` The API lies below a version: ${baseUrl}/v1 may be meant instead of ${baseUrl}.`;
  if (status !== 404 || ids.length === 0 || said.isPage || isUnknownRoute(said)) return '';
  const words = ids.length === 1 ? `the id ${ids[0]}` : `one of the ids ${ids.join(', ')}`;
  return ` ${hostOf(baseUrl)} does not know ${words}, or does not show it to this account.`;
}

const hostOf = (baseUrl: string): string => new URL(baseUrl).host;

function codeOf(asked: RequestInfo, status: number, said: ServerMessage): ErrorCode {
  if (asked.kind === 'login') return loginCodeOf(status, said);
  switch (status) {
    case 400:
      return refusalOf(asked, said) ?? 'NDI_E_BAD_REQUEST';
    case 401:
      return asked.withToken ? 'NDI_E_LOGIN_EXPIRED' : 'NDI_E_NO_CREDENTIALS';
    case 403:
      return forbiddenCodeOf(asked, said);
    case 404:
    case 410:
      return 'NDI_E_NOT_FOUND';
    case 409:
      return refusalOf(asked, said) ?? (asked.kind === 'account' ? 'NDI_E_BAD_REQUEST' : 'NDI_E_LOCKED');
    case 413:
      return 'NDI_E_REQUEST_TOO_LARGE';
    case 422:
      return refusalOf(asked, said) ?? 'NDI_E_BAD_REQUEST';
    case 423:
      return 'NDI_E_LOCKED';
    case 500:
      // A malformed id is looked up all the same and fails in the database (§2.0); repeating cannot help.
      return /CastError|Cast to ObjectId failed/i.test(said.message)
        ? 'NDI_E_NOT_FOUND'
        : 'NDI_E_CLOUD_UNAVAILABLE';
    default:
      return generalCodeOf(status);
  }
}

function generalCodeOf(status: number): ErrorCode {
  if (status === 429) return 'NDI_E_RATE_LIMITED';
  if (status === 504) return 'NDI_E_GATEWAY_TIMEOUT';
  if (status === 408 || status === 425 || status >= 500) return 'NDI_E_CLOUD_UNAVAILABLE';
  if (status >= 300 && status < 400) return 'NDI_E_SETTING';
  return status < 200 ? 'NDI_E_BAD_ANSWER' : 'NDI_E_BAD_REQUEST';
}

/**
 * Wrong credentials are 401 or 404, and sometimes Cognito's 400 (§2.1). A 404 page means that nothing lives
 * there.
 */
function loginCodeOf(status: number, said: ServerMessage): ErrorCode {
  if ((status === 404 && said.isPage) || isUnknownRoute(said)) return 'NDI_E_SETTING';
  // A login carries no token: what speaks here is not the judge of passwords.
  if (isExpiredToken(said)) return 'NDI_E_CLOUD_UNAVAILABLE';
  if (status === 401 || status === 404) return 'NDI_E_WRONG_PASSWORD';
  // The API has no 403 for credentials; a gateway or firewall has, and a run must not park for those.
  if (status === 403) return isAboutCredentials(said) ? 'NDI_E_WRONG_PASSWORD' : 'NDI_E_CLOUD_UNAVAILABLE';
  if (status === 400) {
    if (/LimitExceeded|TooManyRequests/i.test(said.code)) return 'NDI_E_RATE_LIMITED';
    return isAboutCredentials(said) ? 'NDI_E_WRONG_PASSWORD' : 'NDI_E_BAD_REQUEST';
  }
  return generalCodeOf(status);
}

const isAboutCredentials = (said: ServerMessage): boolean =>
  /NotAuthorized|UserNotFound|UserNotConfirmed|PasswordResetRequired|password|credential|unauthori[sz]ed/i.test(
    `${said.code} ${said.message}`,
  );

function forbiddenCodeOf(asked: RequestInfo, said: ServerMessage): ErrorCode {
  // The API itself never answers a page: this is a firewall or a proxy on the way, and those change their
  // mind.
  if (said.isPage) return 'NDI_E_CLOUD_UNAVAILABLE';
  if (isUnknownRoute(said)) return 'NDI_E_NOT_FOUND';
  if (isExpiredToken(said)) return asked.withToken ? 'NDI_E_LOGIN_EXPIRED' : 'NDI_E_NO_CREDENTIALS';
  if (!asked.withToken) return 'NDI_E_NO_CREDENTIALS';
  return refusalOf(asked, said) ?? 'NDI_E_FORBIDDEN';
}

/** Refusals that arrive as 400, 403, 409 or 422, told apart by what they say. */
function refusalOf(asked: RequestInfo, said: ServerMessage): ErrorCode | undefined {
  const words = `${said.code} ${said.message}`;
  if (asked.kind === 'write' && /\bpublished\b|immutable/i.test(words)) return 'NDI_E_DATASET_PUBLISHED';
  // An organisation without `canUploadDataset` gets 400 on create (§2.4 D1).
  if (/canUploadDataset|permission|not (?:allowed|authori[sz]ed|permitted)|forbidden/i.test(words))
    return 'NDI_E_FORBIDDEN';
  if (/\block(?:ed)?\b/i.test(words)) return 'NDI_E_LOCKED';
  return undefined;
}

/** API Gateway's way, and Express's way, to say that a route does not exist. */
const isUnknownRoute = (said: ServerMessage): boolean =>
  /missing authentication token|^cannot (?:get|post|put|delete) /i.test(said.message);

const isExpiredToken = (said: ServerMessage): boolean =>
  /token (?:is |has )?(?:been )?expired|expired token|invalid token|jwt expired/i.test(said.message);

/** True for an answer that a fresh token may turn into a success. */
export const asksForLogin = (answered: RawAnswer): boolean =>
  answered.status === 401 || (answered.status === 403 && isExpiredToken(saidIn(answered.text, [])));

/** True when the server has no such route at all, rather than no such thing. */
export const lacksRoute = (error: unknown): boolean =>
  error instanceof CourierError &&
  (error.code === 'NDI_E_NOT_FOUND' || /\(HTTP (?:405|501)\b/.test(error.detail ?? ''));

interface ServerMessage {
  readonly message: string;
  readonly code: string;
  readonly isPage: boolean;
  readonly heldUntil: string | undefined;
}

/**
 * The message of a body, in any of the shapes that were seen (§2.0): string, object, nested object, text,
 * page.
 */
function saidIn(body: string, secrets: readonly string[]): ServerMessage {
  const text = body.trim();
  const nothing: ServerMessage = { message: '', code: '', isPage: false, heldUntil: undefined };
  if (text === '') return nothing;
  if (text.startsWith('<')) {
    const heading = /<(?:title|h1|pre)[^>]*>([^<]*)</i.exec(text)?.[1] ?? '';
    const cannot = /Cannot (?:GET|POST|PUT|DELETE) [^\s<]+/.exec(text)?.[0];
    // Express's own 404 page is the API speaking; any other page is not.
    if (cannot !== undefined) return { ...nothing, message: sanitize(cannot, secrets) };
    return { ...nothing, isPage: true, message: sanitize(`a web page “${heading.trim()}”`, secrets) };
  }
  let value: unknown;
  try {
    value = parseLenient(text);
  } catch {
    return { ...nothing, message: sanitize(text, secrets) };
  }
  const found = wordsIn(value, 0);
  return {
    ...nothing,
    ...found,
    message: sanitize(found.message, secrets),
    code: sanitize(found.code, secrets),
  };
}

const MESSAGE_KEYS = ['message', 'error', 'errors', 'reason', 'detail'] as const;

function wordsIn(
  value: unknown,
  depth: number,
): { message: string; code: string; heldUntil: string | undefined } {
  const none = { message: '', code: '', heldUntil: undefined };
  if (typeof value === 'string') return { ...none, message: value };
  if (typeof value !== 'object' || value === null || depth > 3) return none;
  if (Array.isArray(value)) {
    const messages = value.slice(0, 5).map((item: unknown) => wordsIn(item, depth + 1).message);
    return { ...none, message: messages.filter((message) => message !== '').join('; ') };
  }
  const record = value as Record<string, unknown>;
  const code = typeof record.code === 'string' ? record.code : '';
  const heldUntil = typeof record.heldUntil === 'string' ? record.heldUntil : undefined;
  for (const key of MESSAGE_KEYS) {
    const inner = wordsIn(record[key], depth + 1);
    if (inner.message !== '' || inner.code !== '')
      return { message: inner.message || inner.code, code: code || inner.code, heldUntil };
  }
  return { message: code, code, heldUntil };
}

/** `Retry-After` in seconds or as a date, else the end of a write lock; never more than an hour. */
function retryAfterOf(answered: RawAnswer, said: ServerMessage): number | undefined {
  const header = answered.retryAfter?.trim();
  const now = Date.parse(answered.date ?? '') || Date.now();
  let waitMs: number | undefined;
  if (header !== undefined && /^\d+(?:\.\d+)?$/.test(header)) waitMs = Number(header) * 1000;
  else if (header !== undefined && header !== '') waitMs = Date.parse(header) - now;
  else if (said.heldUntil !== undefined) waitMs = Date.parse(said.heldUntil) - now;
  if (waitMs === undefined || Number.isNaN(waitMs)) return undefined;
  return Math.min(Math.max(Math.round(waitMs), 0), LONGEST_RETRY_AFTER_MS);
}

const STALLS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);

/**
 * The error for a request that got no whole answer. The library's own error is not kept: it may hold the
 * request.
 */
export function brokenConnection(asked: RequestInfo, requestId: string, error: unknown): CourierError {
  const code = codeIn(error);
  const words = code ?? (error instanceof Error ? error.message : 'unknown');
  return new CourierError(STALLS.has(code ?? '') ? 'NDI_E_STALLED' : 'NDI_E_NETWORK', {
    detail: sanitize(`${asked.what} (${hostOf(asked.baseUrl)}: ${words})`, asked.secrets),
    requestId,
  });
}

/** Several addresses tried in vain come as an AggregateError; its first reason speaks for all. */
function codeIn(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, cause, errors } = error as { code?: unknown; cause?: unknown; errors?: unknown };
  const inner = codeIn(cause) ?? (Array.isArray(errors) ? codeIn(errors[0]) : undefined);
  return typeof code === 'string' && (inner === undefined || code !== 'UND_ERR_SOCKET') ? code : inner;
}
