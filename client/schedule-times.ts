/** Times of schedules as people type them. */
import type { DayOfWeek } from '@temporalio/client';
import { CourierError } from '../errors/index.ts';
import type { Blackout } from '../workflows/contracts/index.ts';

const DAYS = [
  'SUNDAY',
  'MONDAY',
  'TUESDAY',
  'WEDNESDAY',
  'THURSDAY',
  'FRIDAY',
  'SATURDAY',
] as const satisfies DayOfWeek[];

const refuse = (detail: string): CourierError => new CourierError('NDI_E_USAGE', { detail });

/** `HH:MM`. @throws NDI_E_USAGE */
export function parseTime(text: string): { readonly hour: number; readonly minute: number } {
  const [, hour, minute] = /^(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? [];
  const time = { hour: Number(hour ?? 99), minute: Number(minute ?? 99) };
  if (time.hour < 24 && time.minute < 60) return time;
  throw refuse(`${JSON.stringify(text)} is no time of day; give one from 00:00 to 23:59.`);
}

function dayNumber(text: string): number {
  const name = text.trim().toUpperCase();
  const found = name.length < 3 ? -1 : DAYS.findIndex((day) => day.startsWith(name));
  if (found >= 0) return found;
  throw refuse(`${JSON.stringify(text)} is no day; give mon, tue, wed, thu, fri, sat or sun.`);
}

/** `mon-fri`, `sat,sun`, `daily`. @throws NDI_E_USAGE */
export function parseDays(text: string): readonly DayOfWeek[] {
  if (/^\s*(daily|all)\s*$/i.test(text)) return DAYS;
  const chosen = new Set<number>();
  for (const part of text.split(',')) {
    const [from = '', to = from] = part.split('-');
    const last = dayNumber(to);
    // A range may pass the end of the week.
    for (let day = dayNumber(from); ; day = (day + 1) % DAYS.length) {
      chosen.add(day);
      if (day === last) break;
    }
  }
  return DAYS.filter((_, day) => chosen.has(day));
}

/** As `Intl` names it: `Sun`. @throws NDI_E_USAGE */
export function parseDay(text: string): string {
  const name = DAYS[dayNumber(text)] as string;
  return name.slice(0, 1) + name.slice(1, 3).toLowerCase();
}

/** That of this computer when none is given. @throws NDI_E_USAGE */
export function parseTimezone(text: string | undefined): string {
  if (text === undefined) return Intl.DateTimeFormat().resolvedOptions().timeZone;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw refuse(`${JSON.stringify(text)} is no time zone; give one such as Europe/Berlin.`);
  }
}

const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `15m`, `12h`. @throws NDI_E_USAGE */
export function parseSpan(flag: string, text: string): number {
  const [, count, unit] = /^(\d{1,4})([mhd])$/.exec(text.trim()) ?? [];
  if (count !== undefined) return Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  throw refuse(`${flag}: ${JSON.stringify(text)} is no span of time; give 15m, 2h or 1d.`);
}

/** `08:00-18:00`; it may pass midnight. @throws NDI_E_USAGE */
export function parseBlackout(text: string): Blackout {
  const [from = '', to = ''] = text.split('-');
  const minuteOf = (time: string): number => {
    const { hour, minute } = parseTime(time);
    return hour * 60 + minute;
  };
  const blackout = { fromMinute: minuteOf(from), toMinute: minuteOf(to) };
  if (blackout.fromMinute !== blackout.toMinute) return blackout;
  throw refuse(`${JSON.stringify(text)} would leave no hour for a night.`);
}
