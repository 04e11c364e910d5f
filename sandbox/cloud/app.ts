/**
 * The cloud's HTTP application: all resources under `/v1`, answers gzipped as API Gateway does, Express's 404
 * for the rest.
 */
import { promisify } from 'node:util';
import { gzip, gzipSync } from 'node:zlib';
import { type Context, Hono } from 'hono';
import { registerAuth } from './auth.ts';
import { registerBulkUploads } from './bulk-uploads.ts';
import { registerCompute } from './compute.ts';
import { registerDatasets } from './datasets.ts';
import { registerDesignNotes, registerEarlyDesignNotes } from './design-notes.ts';
import { registerDocuments } from './documents.ts';
import { registerFileTiers } from './file-tiers.ts';
import { registerFiles } from './files.ts';
import { type Cloud, type CloudEnv, createApi, MAX_BODY_BYTES } from './http.ts';
import { registerImports } from './imports.ts';
import { registerLicense } from './license.ts';
import { registerOrganizations } from './organizations.ts';
import { registerQuery } from './query.ts';
import type { Answer } from './refusal.ts';
import { registerSignedUrls } from './signed-urls.ts';
import { registerUsers } from './users.ts';
import { registerWriteLock } from './write-lock.ts';

/** The real threshold is unknown (§10 row 39). */
const GZIP_FROM_BYTES = 8 * 1024;
const gzipAsync = promisify(gzip);

export function createCloudApp(cloud: Cloud): Hono<CloudEnv> {
  const app = new Hono<CloudEnv>().basePath('/v1');
  const api = createApi(app, cloud, respond);
  registerEarlyDesignNotes(api);
  registerAuth(api);
  registerUsers(api);
  registerLicense(api);
  registerOrganizations(api);
  registerFiles(api);
  registerDatasets(api);
  registerDocuments(api);
  registerQuery(api);
  registerBulkUploads(api);
  registerCompute(api);
  registerSignedUrls(api);
  registerFileTiers(api);
  registerWriteLock(api);
  registerDesignNotes(api);
  registerImports(cloud);
  app.notFound((c) =>
    c.html(
      `<!DOCTYPE html><html><head><title>Error</title></head><body><pre>Cannot ${c.req.method} ${encodeURI(c.req.path)}</pre></body></html>`,
      404,
    ),
  );
  return app;
}

/**
 * Lambda hands over no more than 6 MB (§4.4), before any gzip; API Gateway makes a 502 of it. Characters have
 * up to three bytes, so short texts need no counting.
 */
const isTooLong = (text: string): boolean =>
  text.length * 3 > MAX_BODY_BYTES && Buffer.byteLength(text) > MAX_BODY_BYTES;

async function respond(c: Context<CloudEnv>, answer: Answer): Promise<Response> {
  const headers: Record<string, string> = { 'x-amzn-RequestId': crypto.randomUUID() };
  if (answer.status === 204) return new Response(null, { status: 204, headers });
  const text = answer.text ?? JSON.stringify(answer.body);
  headers['Content-Type'] = answer.type ?? 'application/json; charset=utf-8';
  if (isTooLong(text)) {
    return new Response('{"message": "Internal server error"}', { status: 502, headers });
  }
  if (text.length < GZIP_FROM_BYTES || !/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) {
    return new Response(text, { status: answer.status, headers });
  }
  headers['Content-Encoding'] = 'gzip';
  // Small ones at once: a trip through the thread pool costs more than it saves.
  const packed = text.length < 64 * 1024 ? gzipSync(text, { level: 1 }) : await gzipAsync(text, { level: 1 });
  return new Response(new Uint8Array(packed), { status: answer.status, headers });
}
