/** Messages between the main thread and the helper threads. */
import type { HashChoice } from '../types.ts';

/** An error of the operating system, or of the thread itself. */
export interface ThreadFailure {
  readonly code: string | undefined;
  readonly message: string;
}

export const asError = ({ code, message }: ThreadFailure): Error =>
  Object.assign(new Error(message), { code });

export type HashOrder =
  | { readonly id: number; readonly order: 'start'; readonly fd: number; readonly hash: HashChoice }
  | { readonly id: number; readonly order: 'advance'; readonly to: number }
  | { readonly id: number; readonly order: 'finish'; readonly to: number }
  | { readonly id: number; readonly order: 'abandon' };

export type HashReply =
  | { readonly id: number; readonly md5Hex: string; readonly sha256Hex: string }
  | { readonly id: number; readonly abandoned: true }
  | { readonly id: number; readonly failure: ThreadFailure };

export interface FileToPlace {
  readonly bytes: Uint8Array;
  readonly partial: string;
  readonly target: string;
  /** Forced to disk, bytes and name; else it survives the death of every process, but not a power cut. */
  readonly force: boolean;
}

export interface PlaceOrder {
  readonly id: number;
  readonly order: 'place';
  readonly files: readonly FileToPlace[];
}

export interface PlaceReply {
  readonly id: number;
  /** One for each file: what went wrong, or null. */
  readonly placed: readonly (ThreadFailure | null)[];
}

export type ThreadOrder = HashOrder | PlaceOrder;
export type ThreadReply = HashReply | PlaceReply;
