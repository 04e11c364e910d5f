/**
 * Alerts: one when nights have gone wrong, one when they are well again. By webhook, by mail, by a command,
 * or by several of them. Addresses and passwords are read here, at the site, and appear nowhere else.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createTransport } from 'nodemailer';
import { request } from 'undici';
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import type { NightOutcome, NightRecord } from '../../workflows/contracts/index.ts';
import type { Alert } from './record.ts';

const settings = z
  .object({
    /** Bad nights in a row until somebody is told. */
    after: z.number().int().min(1).max(100).default(2),
    /** Gets a POST with JSON. Environment: COURIER_ALERT_WEBHOOK. */
    webhook: z.url().optional(),
    /** `smtp://user:password@host:587`. Environment: COURIER_ALERT_SMTP. */
    smtp: z.string().startsWith('smtp').optional(),
    mailTo: z.string().optional(),
    mailFrom: z.string().optional(),
    /** A program and its arguments; gets the JSON on stdin. */
    command: z.array(z.string()).min(1).optional(),
  })
  .strict();

export type AlertSettings = z.output<typeof settings>;

/** `given`: the section `alerts` of `config.json` with the environment laid over it. @throws NDI_E_SETTING */
export function readAlertSettings(given: () => Readonly<Record<string, unknown>>): AlertSettings {
  const parsed = settings.safeParse(given());
  if (parsed.success) return parsed.data;
  // Values may be secrets: only names are said.
  const names = parsed.error.issues.map(({ path }) => path.join('.')).join(', ');
  throw new CourierError('NDI_E_SETTING', { detail: `alerts: ${names} is not as it should be.` });
}

export interface AlertMessage {
  readonly alert: Alert;
  readonly record: NightRecord;
  readonly night: NightOutcome;
  readonly datasetDir: string;
  readonly site: string;
}

const TIMEOUT_MS = 30_000;

/** @throws NDI_E_ALERT, retryable, naming the ways that failed */
export async function sendAlert(
  { webhook, smtp, mailTo, mailFrom, command }: AlertSettings,
  message: AlertMessage,
  signal: AbortSignal,
): Promise<void> {
  const text = alertText(message);
  const body = JSON.stringify({ ...message, text });
  const ways: Record<string, () => Promise<unknown>> = {
    ...(webhook === undefined ? {} : { webhook: () => post(webhook, body, signal) }),
    ...(smtp === undefined || mailTo === undefined
      ? {}
      : { mail: () => mail({ smtp, to: mailTo, from: mailFrom ?? mailTo, text }) }),
    ...(command === undefined ? {} : { command: () => run(command, body, signal) }),
  };
  const failed: string[] = [];
  for (const [name, send] of Object.entries(ways)) {
    // The reason may name an address or a password.
    await send().catch(() => failed.push(name));
  }
  if (failed.length > 0)
    throw new CourierError('NDI_E_ALERT', { detail: `The ${failed.join(' and the ')} did not take it.` });
}

export function alertText({ alert, record, night, datasetDir, site }: AlertMessage): string {
  if (alert === 'well-again')
    return `ndi-courier: the nightly sync of ${datasetDir} on ${site} is well again.`;
  const nights = record.badInARow === 1 ? 'The last night' : `The last ${record.badInARow} nights`;
  return [
    `ndi-courier: the nightly sync of ${datasetDir} on ${site} needs somebody.`,
    `${nights} did not end well. ${night.sentence}`,
    `Next step: ${night.nextStep}`,
    `The run is ${night.syncWorkflowId}.`,
  ].join('\n');
}

async function post(url: string, body: string, signal: AbortSignal): Promise<void> {
  const { statusCode, body: answer } = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  await answer.dump();
  if (statusCode >= 300) throw new Error(`HTTP ${statusCode}`);
}

async function mail(of: { smtp: string; to: string; from: string; text: string }): Promise<void> {
  const transport = createTransport(of.smtp, {
    connectionTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
  } as never);
  try {
    const [subject = ''] = of.text.split('\n');
    await transport.sendMail({ to: of.to, from: of.from, subject, text: of.text });
  } finally {
    transport.close();
  }
}

async function run(
  [program = '', ...args]: readonly string[],
  body: string,
  signal: AbortSignal,
): Promise<void> {
  const running = promisify(execFile)(program, args, { timeout: TIMEOUT_MS, signal });
  running.child.stdin?.on('error', () => {});
  running.child.stdin?.end(body);
  await running;
}
