/** Error bodies as S3 writes them. */
import { randomBytes } from 'node:crypto';

const escapeXml = (text: string): string =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

export function xmlError(
  code: string,
  message: string,
  extra: Readonly<Record<string, string>> = {},
): string {
  const more = Object.entries(extra)
    .map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`)
    .join('');
  const requestId = randomBytes(8).toString('hex').toUpperCase();
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message>${more}<RequestId>${requestId}</RequestId><HostId>sandbox</HostId></Error>`;
}
