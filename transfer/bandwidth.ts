/**
 * Limits of the bandwidth as people write them: `10M`, `off`, or a timetable as rclone has it: `08:00,2M
 * 19:00,off`.
 */
import { CourierError } from '../errors/index.ts';

interface Entry {
  /** Local time of the day. */
  readonly minute: number;
  /** Undefined: no limit. */
  readonly bytesPerSecond: number | undefined;
}

/** In ascending order of time; the last entry holds over midnight until the first. */
export type Timetable = readonly [Entry, ...Entry[]];

const UNITS = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;
const RATE = /^(\d{1,6}(?:\.\d{1,3})?)([KMG])$/i;
const ENTRY = /^([01]?\d|2[0-3]):([0-5]\d),(\S+)$/;

/** @throws NDI_E_USAGE */
export function parseBandwidth(text: string): Timetable {
  const words = text.trim().split(/\s+/);
  const [first = ''] = words;
  if (words.length === 1 && !first.includes(',')) return [{ minute: 0, bytesPerSecond: rateOf(first) }];
  const entries = words
    .map((word) => {
      const [, hours, minutes, rate] = ENTRY.exec(word) ?? refuse(word);
      return { minute: Number(hours) * 60 + Number(minutes), bytesPerSecond: rateOf(rate ?? '') };
    })
    .sort((one, other) => one.minute - other.minute);
  if (new Set(entries.map(({ minute }) => minute)).size < entries.length) refuse(text);
  return entries as [Entry, ...Entry[]];
}

/**
 * Bytes per second at this moment, by the clock of this computer in its time zone; undefined without a limit.
 */
export function bandwidthAt(timetable: Timetable, at: Date): number | undefined {
  const now = at.getHours() * 60 + at.getMinutes();
  return (timetable.findLast(({ minute }) => minute <= now) ?? timetable.at(-1))?.bytesPerSecond;
}

function rateOf(text: string): number | undefined {
  if (text.toLowerCase() === 'off') return undefined;
  const [, number, unit] = RATE.exec(text) ?? refuse(text);
  const bytes = Number(number) * UNITS[unit?.toUpperCase() as keyof typeof UNITS];
  return bytes > 0 ? bytes : refuse(text);
}

function refuse(text: string): never {
  throw new CourierError('NDI_E_USAGE', {
    detail: `${JSON.stringify(text)} is no bandwidth: give 500K, 10M, off, or times with them, as in "08:00,2M 19:00,off".`,
  });
}
