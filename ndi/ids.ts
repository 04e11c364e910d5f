/**
 * NDI ids, dates and names that end up in paths.
 * Source: dataset format §3 "Ids" and "Datestamp".
 */
import { randomBytes } from 'node:crypto';
import type { NdiId } from './document/types.ts';

/** MATLAB's datenum of 1970-01-01. */
const UNIX_EPOCH_DATENUM = 719_529;
const MS_PER_DAY = 86_400_000;
const ID = /^[0-9a-f]{16}_[0-9a-f]{16}$/i;
/** The form of the cloud's ids (NDI Cloud contract §2.0). */
export const CLOUD_ID = /^[0-9a-f]{24}$/i;
/** Most file systems refuse longer names. */
const MAX_NAME_BYTES = 255;

/** The id NDI writes where there is no session. */
export const NO_SESSION_ID: NdiId = '0000000000000000_0000000000000000';

/** A MATLAB serial date number, in days, of the UTC time `unixMs`. */
export const datenum = (unixMs: number): number => UNIX_EPOCH_DATENUM + unixMs / MS_PER_DAY;

/**
 * A fresh NDI id: the first half is the double of a UTC datenum, as MATLAB makes it, so that ids sort by time
 * next to MATLAB's; the second half is 64 random bits.
 */
export function newNdiId(now: Date | number = Date.now()): NdiId {
  const time = Buffer.alloc(8);
  time.writeDoubleBE(datenum(Number(now)));
  return `${time.toString('hex')}_${randomBytes(8).toString('hex')}`;
}

/**
 * True for the 33 characters that both of NDI's generators make; letter case is ignored, as NDI's validator
 * does.
 */
export const isNdiId = (value: unknown): value is NdiId => typeof value === 'string' && ID.test(value);

export const isCloudId = (id: string): boolean => CLOUD_ID.test(id);

/**
 * True when `name` may become one path component: nothing that could leave the folder or cut the path short.
 */
export function isSafeName(name: string): boolean {
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    !name.includes('/') &&
    !name.includes('\\') &&
    !name.includes('\0') &&
    Buffer.byteLength(name) <= MAX_NAME_BYTES
  );
}

/** `YYYY-MM-DDTHH:MM:SS.mmmZ`, UTC, exactly three decimals. */
export const datestamp = (date: Date | number = Date.now()): string => new Date(date).toISOString();
