/** Numbers and words for people. Pure. Decimal units, as disks and clouds are sold in them. */
import type { Counts } from '../../workflows/contracts/index.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `1_234_567` → `1.23 MB`; three digits are enough to see it move. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  // 999.5 would round to a four-digit "1000 kB".
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export const formatRate = (bytesPerSecond: number): string => `${formatBytes(bytesPerSecond)}/s`;

/** `3_661_000` → `1 h 1 min`; two units at most. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} days`;
}

/** A moment in local time: `2026-03-01 17:05`. */
export function formatTime(iso: string): string {
  const at = new Date(iso);
  const two = (part: number): string => String(part).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** `12345` → `12 345`, with a thin space that no terminal breaks at. */
export const formatCount = (count: number): string =>
  String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, '\u202f');

/** `3 documents`, `1 document`. */
export const plural = (count: number, word: string): string =>
  `${formatCount(count)} ${word}${count === 1 ? '' : 's'}`;

/** `812 of 1 002, 190 there already, 2 failed`. */
export function formatCounts(counts: Counts): string {
  if (counts.total === 0) return 'none';
  const parts = [`${formatCount(counts.transferred)} of ${formatCount(counts.total)}`];
  if (counts.skipped > 0) parts.push(`${formatCount(counts.skipped)} there already`);
  if (counts.failed > 0) parts.push(`${formatCount(counts.failed)} failed`);
  return parts.join(', ');
}

/** How much of the work is settled, 0 to 1. By bytes where there are any, else by items. */
export function fraction(bytes: { readonly total: number; readonly transferred: number }): number {
  if (bytes.total <= 0) return 0;
  return Math.min(1, Math.max(0, bytes.transferred / bytes.total));
}

/** A bar of `width` characters, in eighths where the terminal can show them. */
export function bar(share: number, width: number, unicode = true): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const full = Math.floor(eighths / 8);
  if (!unicode) return '#'.repeat(full) + '-'.repeat(width - full);
  const part = full < width ? ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]! : '';
  return ('█'.repeat(full) + part).padEnd(width, '░');
}

/** Cuts to `width` characters with an ellipsis in the middle, where paths and ids differ least. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  if (width <= 1) return text.slice(0, Math.max(0, width));
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}

/**
 * Foreign text must not move the cursor, colour the terminal or turn the direction of writing (C0, C1,
 * bidirectional marks).
 */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ').trim();

/**
 * A value as one line of JSON, pure in the same way: what would steer a terminal is escaped, and parses to
 * the same value.
 */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** The same of a text of several lines, whose breaks and indents stay. */
export const printableLines = (text: string): string =>
  text
    .split('\n')
    .map((line) =>
      line.replace(/^([ \t]*)(.*)$/s, (_, indent: string, rest: string) => indent + printable(rest)),
    )
    .join('\n');
