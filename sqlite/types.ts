/** Types of an open database. */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';

export type Row = Record<string, SQLOutputValue>;

/** One open file. Its functions are synchronous: a statement is done when it returns. */
export interface Db {
  readonly path: string;
  /** Runs statements that give no rows, several if need be. */
  exec(sql: string): void;
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all(sql: string, ...values: SQLInputValue[]): Row[];
  /** Returns the number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /**
   * All or nothing, under the write lock from its first statement. One inside another joins it. `work` must
   * not await.
   */
  transaction<T>(work: () => T): T;
  /**
   * A transaction that a power cut may undo, whole, as long as no other has followed it; the death of a
   * process does not. For writes that are cheap to repeat.
   */
  lazily<T>(work: () => T): T;
  /** May be called twice. */
  close(): void;
}
