/**
 * Hashing in a helper thread, for `../hash.ts`: files are hashed as far as they are written (or sent), so
 * that hashing costs the transfer no time of its own as long as there is a second core. MD5 is the slowest
 * step of a transfer.
 */
import { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import type { HashOrder, HashReply } from './messages.ts';

interface Job {
  readonly fd: number;
  readonly md5: Hash | undefined;
  readonly sha256: Hash | undefined;
  at: number;
  to: number;
  finishing: boolean;
  scheduled: boolean;
}

const READ_BYTES = 1024 * 1024;
/** Bytes hashed before other orders are looked at. */
const TURN_BYTES = 8 * READ_BYTES;

/** Takes the orders of any number of files; `reply` gets one message for each file. */
export function hashOrders(reply: (message: HashReply) => void): (order: HashOrder) => void {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const jobs = new Map<number, Job>();

  const turn = (id: number, job: Job): void => {
    job.scheduled = false;
    if (jobs.get(id) !== job) return;
    try {
      const until = Math.min(job.to, job.at + TURN_BYTES);
      while (job.at < until) {
        const count = readSync(job.fd, buffer, 0, Math.min(READ_BYTES, until - job.at), job.at);
        if (count === 0) throw Object.assign(new Error('the file ended early'), { code: 'ENDED_EARLY' });
        const bytes = count === READ_BYTES ? buffer : buffer.subarray(0, count);
        job.md5?.update(bytes);
        job.sha256?.update(bytes);
        job.at += count;
      }
    } catch (error) {
      jobs.delete(id);
      const { code, message } = error as NodeJS.ErrnoException;
      reply({ id, failure: { code, message } });
      return;
    }
    if (job.at < job.to) schedule(id, job);
    else if (job.finishing) {
      jobs.delete(id);
      reply({ id, md5Hex: job.md5?.digest('hex') ?? '', sha256Hex: job.sha256?.digest('hex') ?? '' });
    }
  };

  const schedule = (id: number, job: Job): void => {
    if (job.scheduled) return;
    job.scheduled = true;
    setImmediate(turn, id, job);
  };

  return (message) => {
    if (message.order === 'start') {
      const { hash } = message;
      jobs.set(message.id, {
        fd: message.fd,
        md5: hash === 'md5' || hash === 'both' ? createHash('md5') : undefined,
        sha256: hash === 'sha256' || hash === 'both' ? createHash('sha256') : undefined,
        at: 0,
        to: 0,
        finishing: false,
        scheduled: false,
      });
      return;
    }
    const job = jobs.get(message.id);
    if (message.order === 'abandon') {
      jobs.delete(message.id);
      reply({ id: message.id, abandoned: true });
      return;
    }
    if (job === undefined) return;
    job.to = Math.max(job.to, message.to);
    job.finishing ||= message.order === 'finish';
    schedule(message.id, job);
  };
}
