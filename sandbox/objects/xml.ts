/** Error bodies as S3 writes them. */
import { randomBytes } from 'node:crypto';
import { XMLBuilder } from 'fast-xml-parser';

const builder = new XMLBuilder();

export function xmlError(
  code: string,
  message: string,
  extra: Readonly<Record<string, string>> = {},
): string {
  const RequestId = randomBytes(8).toString('hex').toUpperCase();
  const body = { Error: { Code: code, Message: message, ...extra, RequestId, HostId: 'sandbox' } };
  return `<?xml version="1.0" encoding="UTF-8"?>\n${builder.build(body)}`;
}
