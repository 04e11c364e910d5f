import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPayloadCodec } from './codec.ts';
import { type CodecEndpoint, startCodecEndpoint } from './codec-endpoint.ts';

const codec = createPayloadCodec([Buffer.alloc(32, 7).toString('base64')]);
const UI = 'http://127.0.0.1:8233';
let endpoint: CodecEndpoint;
beforeAll(async () => {
  endpoint = await startCodecEndpoint(codec, UI);
});
afterAll(() => endpoint.close());

const base64 = (value: string | Uint8Array): string => Buffer.from(value).toString('base64');
const plain = { metadata: { encoding: base64('json/plain') }, data: base64('"hippocampus"') };

function ask(url: string, method: string, headers: Record<string, string> = {}, body = '') {
  return new Promise<{ status: number; text: string; allows: unknown }>((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        const allows = response.headers['access-control-allow-origin'];
        resolve({ status: response.statusCode ?? 0, text, allows });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the codec endpoint', () => {
  it('decodes what it encoded, for a page of the Web UI', async () => {
    const body = JSON.stringify({ payloads: [plain] });
    const encoded = await ask(`${endpoint.url}/encode`, 'POST', { origin: UI }, body);
    expect(Buffer.from(JSON.parse(encoded.text).payloads[0].data, 'base64').includes('hippocampus')).toBe(
      false,
    );
    const decoded = await ask(`${endpoint.url}/decode`, 'POST', { origin: UI }, encoded.text);
    expect(decoded).toMatchObject({ status: 200, allows: UI });
    expect(JSON.parse(decoded.text)).toEqual({ payloads: [plain] });
    expect(await ask(`${endpoint.url}/decode`, 'OPTIONS', { origin: UI })).toMatchObject({
      status: 204,
      allows: UI,
    });
  });

  it('refuses who does not know the secret, a foreign page and a foreign name', async () => {
    const { origin } = new URL(endpoint.url);
    const body = JSON.stringify({ payloads: [plain] });
    const status = async (url: string, headers = {}) => (await ask(url, 'POST', headers, body)).status;
    expect(await status(`${origin}/decode`)).toBe(403);
    expect(await status(`${origin}/guess/decode`, { origin: UI })).toBe(403);
    expect(await status(`${endpoint.url}/decode`, { origin: 'http://127.0.0.1:8234' })).toBe(403);
    expect(await status(`${endpoint.url}/decode`, { host: 'evil.example' })).toBe(403);
    expect((await ask(`${endpoint.url}/decode`, 'POST', {}, 'no json')).status).toBe(400);
    expect(await status(`${endpoint.url}/decode`)).toBe(200);
  });
});
