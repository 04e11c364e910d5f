/** The sandbox's live knobs: changed over the control endpoint or in-process, read at each use. */

/**
 * How a dataset's files are listed: `embedded` is the older server (`files[]` in the record, no listing
 * route), `keyset` the newer one (§2.11: `fileCount` in the record and the listing route), `both` a server in
 * between.
 */
export type FileListing = 'embedded' | 'keyset' | 'both';

export interface Knobs {
  tokenTtlSeconds: number;
  urlTtlSeconds: number;
  /** From the PUT of a zip to the start of its import. */
  importDelayMs: number;
  /** From the PUT of a single file to its `uploaded:true`. */
  fileDelayMs: number;
  /** From the request for a bulk-download zip to its appearance. */
  bulkDownloadDelayMs: number;
  /** From publish, unpublish or undelete to its effect. */
  lifecycleDelayMs: number;
  /** From one state of a compute session, a signed-URL job or a file-tier job to the next. */
  jobDelayMs: number;
  fileListing: FileListing;
  /** `opaque`: ETags that are no MD5, as KMS-encrypted buckets give them (§10 row 19). */
  etag: 'md5' | 'opaque';
  /** Added to the clock by which tokens, URLs, deletions and delays are judged. */
  clockOffsetMs: number;
}

export const DEFAULT_KNOBS: Knobs = {
  tokenTtlSeconds: 3600,
  urlTtlSeconds: 604_799,
  importDelayMs: 300,
  fileDelayMs: 50,
  bulkDownloadDelayMs: 300,
  lifecycleDelayMs: 300,
  jobDelayMs: 300,
  fileListing: 'both',
  etag: 'md5',
  clockOffsetMs: 0,
};

/** Checks a change of knobs as it comes in over HTTP; answers what is wrong, or undefined. */
export function knobProblem(change: Record<string, unknown>): string | undefined {
  for (const [name, value] of Object.entries(change)) {
    if (!(name in DEFAULT_KNOBS)) return `unknown knob ${name}`;
    if (name === 'fileListing') {
      if (value !== 'embedded' && value !== 'keyset' && value !== 'both')
        return 'fileListing: embedded|keyset|both';
    } else if (name === 'etag') {
      if (value !== 'md5' && value !== 'opaque') return 'etag: md5|opaque';
    } else if (typeof value !== 'number' || !Number.isFinite(value)) return `${name} must be a number`;
    else if (value < 0 && name !== 'clockOffsetMs') return `${name} must not be negative`;
  }
  return undefined;
}
