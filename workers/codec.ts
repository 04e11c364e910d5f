/**
 * Encryption of all payloads (inputs, results, heartbeats, memos, failure messages) before they reach the
 * Temporal server. Ids and search attributes are not payloads: nothing private goes in there.
 *
 *   COURIER_PAYLOAD_KEY   base64 of 32 bytes; several, separated by commas, while a key is replaced:
 *                         the first encrypts, all decrypt. The same at every client and worker. Not set:
 *                         nothing is encrypted, unless the service is private (payload-key.ts).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';
import protobuf from 'protobufjs';
import { siblingScript } from '../disk/package.ts';
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';

const VARIABLE = 'COURIER_PAYLOAD_KEY';
export const KEY_BYTES = 32;
/** 96 bits is what GCM is made for; random ones are safe for 2^32 payloads per key (NIST SP 800-38D §8.3). */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

// The encoding name and metadata keys are those of Temporal's encryption samples, so its tools recognise
// them.
const ENCODING = 'binary/encrypted';
const CIPHER = 'aes-256-gcm';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | null | undefined): string => new TextDecoder().decode(value ?? undefined);

/** temporal.api.common.v1.Payload, the two fields that a payload has here. */
const payloadType = new protobuf.Type('Payload')
  .add(new protobuf.MapField('metadata', 1, 'string', 'bytes'))
  .add(new protobuf.Field('data', 2, 'bytes'));
new protobuf.Root().add(payloadType);

interface Key {
  readonly id: string;
  readonly secret: Uint8Array;
}

function parseKey(encoded: string, position: number): Key {
  const secret = Buffer.from(encoded, 'base64');
  if (secret.length !== KEY_BYTES || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(encoded)) {
    // Says which one, never what it is.
    throw new CourierError('NDI_E_SETTING', {
      detail: `${VARIABLE}: key ${position} is not the base64 of ${KEY_BYTES} bytes.`,
    });
  }
  const id = createHash('sha256').update('ndi-courier key id\0').update(secret).digest('hex').slice(0, 12);
  return { id, secret };
}

export interface PayloadCodecOptions {
  /** Do not decode what is not encrypted: whoever sent it does not have the key. */
  readonly refusesPlain?: boolean;
}

/**
 * A codec that encrypts with the first key and decrypts with any. Payloads that are not encrypted pass
 * through, so that runs started before a key was set go on, unless they are to be refused.
 * @throws NDI_E_SETTING for a key that is not one, and from `decode` for a key that is not there or a payload
 * that is refused.
 */
export function createPayloadCodec(
  encodedKeys: readonly string[],
  { refusesPlain = false }: PayloadCodecOptions = {},
): PayloadCodec {
  const keys = encodedKeys.map((encoded, index) => parseKey(encoded, index + 1));
  const first = keys[0];
  if (first === undefined) throw new CourierError('NDI_E_SETTING', { detail: `${VARIABLE} is empty.` });
  return {
    encode: async (payloads) => payloads.map((payload) => encrypt(payload, first)),
    decode: async (payloads) =>
      payloads.map((payload) => {
        if (refusesPlain && !isEncrypted(payload)) throw refused();
        return decrypt(payload, keys);
      }),
  };
}

const isEncrypted = (payload: Payload): boolean => text(payload.metadata?.encoding) === ENCODING;

const refused = (): CourierError =>
  new CourierError('NDI_E_SETTING', {
    detail: 'The service is private, and this came from somebody without its key; it is not executed.',
  });

function encrypt(payload: Payload, key: Key): Payload {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key.secret, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(bytes(key.id));
  const plain = payloadType.encode(payloadType.create(payload)).finish();
  const data = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return {
    metadata: {
      encoding: bytes(ENCODING),
      'encryption-cipher': bytes(CIPHER),
      'encryption-key-id': bytes(key.id),
    },
    data,
  };
}

function decrypt(payload: Payload, keys: readonly Key[]): Payload {
  if (!isEncrypted(payload)) return payload;
  const id = text(payload.metadata?.['encryption-key-id']);
  const key = keys.find((candidate) => candidate.id === id);
  if (key === undefined) {
    throw new CourierError('NDI_E_SETTING', {
      detail: `${VARIABLE} lacks the key ${JSON.stringify(id.slice(0, 40))} that a run was encrypted with; add it after a comma.`,
    });
  }
  const data = payload.data ?? new Uint8Array();
  try {
    const decipher = createDecipheriv(CIPHER, key.secret, data.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(bytes(key.id));
    decipher.setAuthTag(data.subarray(data.length - TAG_BYTES));
    const plain = Buffer.concat([
      decipher.update(data.subarray(NONCE_BYTES, data.length - TAG_BYTES)),
      decipher.final(),
    ]);
    const { metadata, data: inner } = payloadType.decode(plain) as unknown as Payload;
    return { metadata: { ...metadata }, data: inner ?? new Uint8Array() };
  } catch (cause) {
    throw new CourierError('NDI_E_INTERNAL', { detail: 'An encrypted payload was altered or cut.', cause });
  }
}

/**
 * The data converter for this environment, for clients and workers alike; `undefined` when no key is set.
 * `ownKey` is that of a private service: it encrypts, and keys of the environment still decrypt.
 * @throws NDI_E_SETTING for a key that is not one.
 */
export function dataConverterFromEnv(
  env: Environment = process.env,
  ownKey?: string,
  options: PayloadCodecOptions = {},
): DataConverter | undefined {
  const keys = [ownKey ?? '', ...(env[VARIABLE] ?? '').split(',')]
    .map((key) => key.trim())
    .filter((key) => key !== '');
  if (keys.length === 0) return undefined;
  return {
    payloadCodecs: [createPayloadCodec(keys, options)],
    failureConverterPath: siblingScript(import.meta.url, 'failure-converter'),
  };
}
