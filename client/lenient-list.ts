/**
 * Lists of runs that one bad memo does not end. Every user of the computer can start a run on an open server,
 * and give it a memo that no key decodes; the SDK's own list ends with an error there.
 */
import { type Client, WorkflowClient } from '@temporalio/client';
import type { Payload, PayloadCodec } from '@temporalio/common';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const UNREADABLE = { ndiCourier: 'unreadable' };

/** Reads memos alone: what it cannot decode becomes a value that `isUnreadable` knows. */
export function lenientLister(client: Client): WorkflowClient {
  const { loadedDataConverter, namespace } = client.options;
  const codec: PayloadCodec = {
    encode: async (payloads) => payloads,
    decode: (payloads) =>
      Promise.all(payloads.map((payload) => decodeOne(payload, loadedDataConverter.payloadCodecs))),
  };
  return new WorkflowClient({
    connection: client.connection,
    namespace,
    dataConverter: { payloadCodecs: [codec] },
  });
}

export const isUnreadable = (memo: Readonly<Record<string, unknown>> | undefined): boolean =>
  Object.values(memo ?? {}).some((value) => JSON.stringify(value) === JSON.stringify(UNREADABLE));

async function decodeOne(payload: Payload, codecs: readonly PayloadCodec[]): Promise<Payload> {
  try {
    let decoded = [payload];
    for (const codec of codecs) decoded = await codec.decode(decoded);
    const [only] = decoded;
    const text = new TextDecoder();
    const encoding = text.decode(only?.metadata?.encoding ?? undefined);
    if (encoding === 'binary/null') return only as Payload;
    if (encoding === 'json/plain') {
      JSON.parse(text.decode(only?.data ?? undefined));
      return only as Payload;
    }
  } catch {
    // Below.
  }
  return { metadata: { encoding: bytes('json/plain') }, data: bytes(JSON.stringify(UNREADABLE)) };
}
