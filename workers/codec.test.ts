import { randomBytes, randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { isCourierError } from '../errors/index.ts';
import { createPayloadCodec, dataConverterFromEnv } from './codec.ts';
import { failureConverter } from './failure-converter.ts';

const newKey = () => randomBytes(32).toString('base64');
const key = newKey();
const codec = createPayloadCodec([key]);
const payloadOf = (value: unknown) => defaultPayloadConverter.toPayload(value)!;
const setting = (part: RegExp) => (error: unknown) =>
  isCourierError(error, 'NDI_E_SETTING') && part.test(error.message);

describe('the payload codec', () => {
  it('gives back what it took, whatever it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5_000 }), fc.jsonValue(), async (data, value) => {
        const payloads = [{ metadata: { encoding: Buffer.from('binary/plain') }, data }, payloadOf(value)];
        const back = await codec.decode(await codec.encode(payloads));
        expect(Buffer.from(back[0]!.data!).equals(Buffer.from(data))).toBe(true);
        expect(defaultPayloadConverter.fromPayload(back[1]!)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 100 },
    );
    const empty = { metadata: { encoding: Buffer.from('binary/null') }, data: new Uint8Array() };
    const [back] = await codec.decode(await codec.encode([empty]));
    expect(Buffer.from(back!.metadata!.encoding!).toString()).toBe('binary/null');
  });

  it('hides the content, differently each time, and names the key', async () => {
    const payloads = [payloadOf('hippocampus'), payloadOf('hippocampus')];
    const [a, b] = await codec.encode(payloads);
    expect(Buffer.from(a!.data!).toString('latin1')).not.toContain('hippocampus');
    expect(Buffer.from(a!.data!).equals(Buffer.from(b!.data!))).toBe(false);
    const id = Buffer.from(a!.metadata!['encryption-key-id']!).toString();
    expect(id).toMatch(/^[0-9a-f]{12}$/);
    expect(Buffer.from(key, 'base64').toString('hex')).not.toContain(id);
  });

  it('decrypts with an older key while a new one encrypts, and says which key is missing', async () => {
    const next = newKey();
    const [old] = await codec.encode([payloadOf(1)]);
    const both = createPayloadCodec([next, key]);
    expect(defaultPayloadConverter.fromPayload((await both.decode([old!]))[0]!)).toBe(1);
    const [fresh] = await both.encode([payloadOf(2)]);
    await expect(codec.decode([fresh!])).rejects.toSatisfy(setting(/lacks the key "[0-9a-f]{12}"/));
  });

  it('notices an altered or cut payload', async () => {
    const [sealed] = await codec.encode([payloadOf('x')]);
    const flipped = Buffer.from(sealed!.data!);
    flipped[20]! ^= 1;
    for (const data of [flipped, sealed!.data!.subarray(0, 20), new Uint8Array()]) {
      await expect(codec.decode([{ ...sealed!, data }])).rejects.toThrow('altered or cut');
    }
  });

  it('leaves alone what was never encrypted: runs from before the key', async () => {
    const plain = payloadOf({ a: 1 });
    expect(await codec.decode([plain])).toEqual([plain]);
  });
});

describe('the data converter of an environment', () => {
  it('is none without a key, and refuses what is no key without showing it', () => {
    expect(dataConverterFromEnv({})).toBeUndefined();
    expect(dataConverterFromEnv({ COURIER_PAYLOAD_KEY: ' , ' })).toBeUndefined();
    for (const bad of ['c2hvcnQ=', `${key}x!`, randomBytes(16).toString('base64')]) {
      const failing = () => dataConverterFromEnv({ COURIER_PAYLOAD_KEY: `${key}, ${bad}` });
      expect(failing).toThrow(expect.toSatisfy(setting(/key 2 is not/)));
      expect(failing).toThrow(expect.not.toSatisfy((error: Error) => error.message.includes(bad)));
    }
  });

  it('moves messages and stacks of failures into what the codec encrypts', () => {
    const failure = failureConverter.errorToFailure(new Error('subject 17'), defaultPayloadConverter);
    expect(failure.message).toBe('Encoded failure');
    expect(JSON.stringify({ ...failure, encodedAttributes: undefined })).not.toContain('subject 17');
    expect(failureConverter.failureToError(failure, defaultPayloadConverter).message).toBe('subject 17');
  });

  describe('on the real server', () => {
    let connection: Connection;
    const namespace = inject('temporalNamespace');
    beforeAll(async () => {
      connection = await Connection.connect({ address: inject('temporalAddress') });
    });
    afterAll(() => connection.close());

    it('leaves only ciphertext in the history', async () => {
      const dataConverter = dataConverterFromEnv({ COURIER_PAYLOAD_KEY: key })!;
      const client = new Client({ connection, namespace, dataConverter });
      const workflowId = randomUUID();
      await client.workflow.start('none', {
        workflowId,
        taskQueue: workflowId,
        args: ['hippocampus'],
        memo: { note: 'hippocampus' },
      });
      const handle = client.workflow.getHandle(workflowId);
      const history = await handle.fetchHistory();
      const started = history.events![0]!.workflowExecutionStartedEventAttributes!;
      const raw = Buffer.from(started.input!.payloads![0]!.data!);
      expect(raw.includes('hippocampus')).toBe(false);
      const [plain] = await dataConverter.payloadCodecs![0]!.decode([started.input!.payloads![0]!]);
      expect(defaultPayloadConverter.fromPayload(plain!)).toBe('hippocampus');
      expect((await handle.describe()).memo).toEqual({ note: 'hippocampus' });
      await handle.terminate();
    });
  });
});
