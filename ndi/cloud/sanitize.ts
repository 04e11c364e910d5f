/**
 * Text from a server or a library that may be shown: without tokens, passwords and signed queries. Every
 * message that leaves this room passes here, because servers echo what they were sent.
 */
import { withoutQueries } from '../../errors/redact.ts';

const LONGEST = 300;
/** Three base64url parts, as a JWT has them; the header of every JWT starts with `{"`. */
const JWT = /\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g;
const BEARER = /\bbearer\s+[^\s"',;]+/gi;
/** Secrets travel in the fragment of a URL and before its `@`, too. */
const URL_FRAGMENT = /(\bhttps?:\/\/[^\s"'<>?#]*)#[^\s"'<>]*/gi;
const URL_USER = /(\bhttps?:\/\/)[^\s/"'<>@]+@/gi;
const NAMED_SECRET =
  /((?:password|passwd|token|secret|signature|credential)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,;&}]+)/gi;

/**
 * `text` on one line, at most 300 characters, with secrets replaced by `***`; `secrets` are exact texts to
 * hide.
 */
export function sanitize(text: string, secrets: readonly string[] = []): string {
  let safe = text;
  for (const secret of secrets) {
    if (secret.length >= 3) safe = safe.replaceAll(secret, '***');
  }
  safe = withoutQueries(safe, '?***')
    .replace(URL_FRAGMENT, '$1#***')
    .replace(URL_USER, '$1***@')
    .replace(BEARER, 'Bearer ***')
    .replace(JWT, '***')
    .replace(NAMED_SECRET, '$1***')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters could steer a terminal.
    .replace(/[\u0000-\u001f\u007f-\u009f\s]+/g, ' ')
    .trim();
  return safe.length > LONGEST ? `${safe.slice(0, LONGEST - 1)}…` : safe;
}
