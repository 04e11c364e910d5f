/** Ages as people type them: `30m`, `12h`, `7d`. */

export const AGE = /^\d{1,5}[mhd]$/;
const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a text that matches `AGE`. */
export const ageMs = (age: string): number =>
  Number(age.slice(0, -1)) * UNITS_MS[age.slice(-1) as keyof typeof UNITS_MS];
