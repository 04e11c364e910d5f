/**
 * The log files of the service as lines that a person can read and a filter can judge.
 *
 *   parseLogLine   one line of any writer: pino, the supervisor's dated text, the Temporal server
 *   openLogs       reads what is there, then what has been appended since
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Home } from './home.ts';

export const LOG_SOURCES = ['supervisor', 'worker', 'server'] as const;
export type LogSource = (typeof LOG_SOURCES)[number];

export type LineLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  readonly source: LogSource;
  /** Milliseconds since 1970; undefined for a line without a date, such as a stack trace. */
  readonly timeMs: number | undefined;
  readonly level: LineLevel;
  readonly message: string;
  /** The other fields of a JSON line. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly raw: string;
}

const DATED = /^(\d{4}-\d\d-\d\dT\S+Z) (.*)$/;

/** Never throws: a line that nobody understands is a message of level info. */
export function parseLogLine(source: LogSource, raw: string): LogLine {
  const fromJson = raw.startsWith('{') ? parseJson(source, raw) : undefined;
  if (fromJson !== undefined) return fromJson;
  const [, date, text] = DATED.exec(raw) ?? [];
  const timeMs = date === undefined ? undefined : timeOf(date);
  return {
    source,
    timeMs,
    level: 'info',
    message: timeMs === undefined ? raw : (text ?? ''),
    fields: {},
    raw,
  };
}

function parseJson(source: LogSource, raw: string): LogLine | undefined {
  try {
    const { level, time, ts, msg, ...fields } = JSON.parse(raw) as Record<string, unknown>;
    return {
      source,
      timeMs: timeOf(time ?? ts),
      level: levelOf(level),
      message: String(msg ?? ''),
      fields,
      raw,
    };
  } catch {
    return undefined;
  }
}

function timeOf(value: unknown): number | undefined {
  const timeMs = typeof value === 'number' ? value : Date.parse(String(value));
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

/** Pino writes numbers (30 is info), the Temporal server writes names. */
function levelOf(level: unknown): LineLevel {
  if (typeof level === 'number')
    return level >= 50 ? 'error' : level >= 40 ? 'warn' : level >= 30 ? 'info' : 'debug';
  const name = String(level).toLowerCase();
  if (name === 'warn' || name === 'debug') return name;
  return name === 'error' || name === 'fatal' || name === 'panic' ? 'error' : 'info';
}

export interface Logs {
  /**
   * Whole lines that were written since the last call, of all files, by time. The first call also reads
   * rotated files.
   */
  read(): readonly LogLine[];
}

/**
 * Remembers how far each file was read. A file that became shorter was rotated and is read from its start.
 */
export function openLogs(home: Home): Logs {
  const offsets = new Map<LogSource, number>();
  const readSource = (source: LogSource): LogLine[] => {
    const path = join(home.logsDir, `${source}.log`);
    const rotated = offsets.has(source) ? [] : [`${path}.2`, `${path}.1`].map((old) => readFrom(old, 0).text);
    const { text, end } = readFrom(path, offsets.get(source) ?? 0);
    offsets.set(source, end);
    const lines = [...rotated, text].flatMap((part) => part.split('\n')).filter((line) => line.trim() !== '');
    return inheritTimes(lines.map((line) => parseLogLine(source, line)));
  };
  return {
    read: () => LOG_SOURCES.flatMap(readSource).sort((a, b) => (a.timeMs ?? 0) - (b.timeMs ?? 0)),
  };
}

/** A stack trace has the time and level of the line above it, so that sorting keeps them together. */
function inheritTimes(lines: readonly LogLine[]): LogLine[] {
  let above: LogLine | undefined;
  return lines.map((line) => {
    if (line.timeMs === undefined && above !== undefined) {
      return { ...line, timeMs: above.timeMs, level: above.level };
    }
    above = line;
    return line;
  });
}

/** Reads up to the last whole line. `end` is where the next read starts. */
function readFrom(path: string, offset: number): { readonly text: string; readonly end: number } {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { text: '', end: 0 };
    throw error;
  }
  try {
    const sizeBytes = fstatSync(fd).size;
    const start = sizeBytes < offset ? 0 : offset;
    const buffer = Buffer.alloc(sizeBytes - start);
    const length = readSync(fd, buffer, 0, buffer.length, start);
    const whole = buffer.subarray(0, length).lastIndexOf(0x0a) + 1;
    return { text: buffer.toString('utf8', 0, whole), end: start + whole };
  } finally {
    closeSync(fd);
  }
}
