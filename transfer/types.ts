/** Words of moving bytes. This room knows neither NDI nor Temporal. */
import type { Network } from '../net/network.ts';

/** Called with the bytes moved since the last call; cheap enough to be called per chunk. */
export type OnBytes = (bytes: number) => void;

export interface TransferOptions {
  readonly signal?: AbortSignal;
  readonly onBytes?: OnBytes;
  /** No byte for this long ends the try with NDI_E_STALLED. Default 60_000. */
  readonly stallTimeoutMs?: number;
  readonly throttle?: Throttle;
  /** Proxy and certificates; has one keep-alive pool. Default: that of the process. */
  readonly network?: Network;
  /**
   * Which digests are wanted. Default `md5`, which an ETag is compared with; SHA-256 costs half as much
   * again. `none` and `sha256` give up the comparison.
   */
  readonly hash?: HashChoice;
  /**
   * MD5 of the bytes, where it is known before they go: a store that gets it refuses bytes that changed on
   * the way.
   */
  readonly knownMd5Hex?: string;
  /**
   * Answers that mean "not yet" to this caller: NDI_E_NOT_READY instead of NDI_E_URL_EXPIRED (403) or
   * NDI_E_NOT_FOUND (404). An archive that the cloud still makes answers either (NDI Cloud
   * contract §10 no. 13). Default none.
   */
  readonly notReadyStatuses?: readonly number[];
}

/** A digest that was not asked for is the empty string in a result. */
export type HashChoice = 'md5' | 'sha256' | 'both' | 'none';

export interface Digests {
  readonly md5Hex: string;
  readonly sha256Hex: string;
}

/** Shares a bandwidth between all transfers of a process; adjustable while they run. */
export interface Throttle {
  /** Resolves when `bytes` may move. */
  take(bytes: number, signal?: AbortSignal): Promise<void>;
  setBytesPerSecond(bytesPerSecond: number | undefined): void;
}

export interface PutResult {
  readonly sizeBytes: number;
  /** MD5 of the bytes that went out, taken while they went out. */
  readonly md5Hex: string;
  readonly sha256Hex: string;
  /** Without quotes; S3 gives the MD5 for a single PUT without KMS. */
  readonly etag: string | undefined;
  /** The store compared the bytes with their MD5, or told an ETag that is their MD5. */
  readonly isProven: boolean;
}

export interface GetResult {
  readonly sizeBytes: number;
  readonly sha256Hex: string;
  readonly md5Hex: string;
  readonly etag: string | undefined;
  /** Bytes that were on disk from an earlier try and were not fetched again. */
  readonly resumedBytes: number;
}

/** The parts that a ranged download has on disk. Kept by the caller (the ledger) across crashes. */
export interface PartJournal {
  /**
   * Parts done in an earlier try of the same object; `etag` and `sizeBytes` must match, else it starts over.
   */
  load():
    | {
        readonly sizeBytes: number;
        readonly etag: string | undefined;
        readonly partSizeBytes: number;
        readonly done: readonly number[];
      }
    | undefined;
  begin(plan: {
    readonly sizeBytes: number;
    readonly etag: string | undefined;
    readonly partSizeBytes: number;
  }): void;
  markDone(part: number): void;
  clear(): void;
}

export interface GetOptions extends TransferOptions {
  /** Another size is NDI_E_INTEGRITY. Leave it out where the size is a hint only. */
  readonly expectedSizeBytes?: number;
  readonly expectedMd5Hex?: string;
  /** Requests at once for a large object. Default 4. */
  readonly ranges?: number;
  /**
   * From this size on an object counts as large; also the longest stretch asked for at once. Default 64 MiB.
   */
  readonly rangeThresholdBytes?: number;
  /** Part size. A crash re-fetches at most 2 × `ranges` parts. Default 16 MiB. */
  readonly partSizeBytes?: number;
  readonly journal?: PartJournal;
  /**
   * An object of up to so many bytes (1 MiB at most) is whole under its name when this resolves, but not
   * forced to disk: who asks for that must `fsyncFileSystem` the folder in the end, and look again after a
   * power cut. Default: all are forced.
   */
  readonly unforcedBytes?: number;
  /** First pause before a broken connection is taken up again; doubles each time. Default 200. */
  readonly retryDelayMs?: number;
}

/** One entry of a ZIP to be written. */
export type ZipEntry =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly path: string; readonly sizeBytes: number };

/** Limits for archives that come from outside; every breach is NDI_E_ZIP_UNSAFE. */
export interface UnzipLimits {
  readonly maxEntries: number;
  readonly maxEntryBytes: number;
  readonly maxTotalBytes: number;
  /** Uncompressed : compressed. Default 200, judged from 1 MiB on. */
  readonly maxRatio: number;
}
