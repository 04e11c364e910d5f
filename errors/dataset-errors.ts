/** The command line, and dataset folders on this disk: rows of the table of errors. */
import { type ErrorEntry, entry } from './types.ts';

export const DATASET_ERRORS = {
  // The command line and its input.
  NDI_E_USAGE: entry(
    ['permanent', 'run', 'none'],
    'The command was not understood.',
    'Run the command with --help.',
  ),
  NDI_E_INTERNAL: entry(
    ['permanent', 'run', 'unknown'],
    'Something went wrong inside ndi-courier.',
    'Report it with the code and the run id; nothing of your dataset was lost.',
  ),

  // A dataset directory on disk.
  NDI_E_NOT_A_DATASET: entry(
    ['permanent', 'run', 'none'],
    'This folder is not an NDI dataset.',
    'Give the folder that holds `.ndi`.',
  ),
  NDI_E_DATABASE_CORRUPT: entry(
    ['permanent', 'run', 'none'],
    'The document database of the dataset is damaged.',
    'Restore `.ndi/did-sqlite.sqlite` from a backup, or repair it with `sqlite3 … .recover`.',
  ),
  NDI_E_DATABASE_BUSY: entry(
    ['needs-person', 'run', 'none'],
    'Another program is writing to the dataset’s database.',
    'Close MATLAB or Python on this dataset, then resume the run.',
  ),
  NDI_E_DATABASE_REPLACED: entry(
    ['moved', 'run', 'none'],
    'The database of the dataset is another file than when the work on it began.',
    'Nothing was written to the new file; the run looks again, or repeat the command.',
  ),
  NDI_E_NOT_LINKED: entry(
    ['permanent', 'run', 'none'],
    'The dataset is not linked to a cloud dataset.',
    'Upload it first, or link it with `ndi-courier dataset link DIR CLOUD_ID`.',
  ),
  NDI_E_TWO_REMOTES: entry(
    ['permanent', 'run', 'none'],
    'The dataset is linked to more than one cloud dataset.',
    'Remove all but one `dataset_remote` document, or pass --to ID.',
  ),
  NDI_E_AMBIGUOUS_DATASET_ID: entry(
    ['permanent', 'run', 'none'],
    'The dataset has several sessions and none is marked as the dataset itself.',
    'Open it once with NDI in MATLAB or Python, which repairs this, and try again.',
  ),
  NDI_E_FILE_MISSING: entry(
    ['permanent', 'item', 'none'],
    'A binary file that a document names is not on this disk.',
    'Bring the file back into `.ndi/files`, then run the command again.',
  ),
  NDI_E_FILE_UNREADABLE: entry(
    ['permanent', 'item', 'none'],
    'A binary file of the dataset cannot be read.',
    'Check its permissions and the disk it lies on, then run the command again.',
  ),
  NDI_E_FILE_TOO_LARGE: entry(
    ['permanent', 'item', 'none'],
    'A file is larger than 5 GB, the most the cloud takes in one piece.',
    'Split the recording at the NDI level.',
  ),
  NDI_E_FILE_CHANGED: entry(
    ['moved', 'item', 'none'],
    'A file changed while it was being read.',
    'Wait until nothing writes to the dataset, then run the command again.',
  ),
  NDI_E_NO_CONFLICT: entry(
    ['permanent', 'run', 'none'],
    'There is no such open conflict.',
    'List them with `ndi-courier conflicts list DIR`.',
  ),
  NDI_E_PLAN_FILE: entry(
    ['permanent', 'run', 'none'],
    'This is not a plan that ndi-courier wrote, or it was edited.',
    'Make it anew with `ndi-courier sync DIR --dry-run --plan FILE`.',
  ),
  NDI_E_PLAN_MOVED: entry(
    ['permanent', 'run', 'none'],
    'An item of the plan has changed since the plan was made; nothing was done.',
    'Make the plan anew, look at it, and apply that.',
  ),
  NDI_E_BAD_ID: entry(
    ['permanent', 'item', 'none'],
    'An id is not a valid NDI id or file name.',
    'Look at the named document; ids may not contain path separators.',
  ),
  NDI_E_BAD_JSON: entry(
    ['permanent', 'item', 'none'],
    'A document is not valid JSON.',
    'Look at the named document; it was left as it is.',
  ),
  NDI_E_ENDS_WORKER: entry(
    ['permanent', 'item', 'none'],
    'Working on this ended the worker, twice.',
    'Report it; everything else went on, and the same command tries it again.',
  ),
  NDI_E_DOCUMENT_TOO_LARGE: entry(
    ['permanent', 'item', 'none'],
    'A document is larger than 16 MiB or holds more than a million values.',
    'Look at the named document; data of this size belongs into binary files.',
  ),
  NDI_E_LINKED_SESSION: entry(
    ['permanent', 'run', 'none'],
    'A session is linked, not ingested, so its documents are not in this dataset.',
    'Ingest the session in MATLAB or Python first.',
  ),
  NDI_E_READ_ONLY: entry(
    ['permanent', 'run', 'none'],
    'This folder cannot be written to.',
    'Give a folder you may write to, or change its permissions.',
  ),
  NDI_E_DISK_FULL: entry(
    ['needs-person', 'run', 'none'],
    'The disk is full.',
    'Free some space, then resume the run; what is already there is kept.',
  ),
  NDI_E_DISK_IO: entry(
    ['retryable', 'run', 'none'],
    'The disk reported an error while a file was read or written.',
    'The run tries again by itself; if it goes on, check the disk and its connection.',
  ),
  NDI_E_FILE_LOCKS: entry(
    ['retryable', 'run', 'none'],
    'The file system did not grant a lock on a file.',
    'The run tries again by itself; if it goes on, move the folder to a local disk.',
  ),
  NDI_E_OUT_OF_MEMORY: entry(
    ['retryable', 'run', 'none'],
    'The computer had no memory left for this.',
    'The run tries again by itself; if it goes on, close other programs.',
  ),
  NDI_E_INTERRUPTED: entry(
    ['retryable', 'run', 'none'],
    'A database statement was interrupted before it was done.',
    'Nothing to do: the run tries again by itself.',
  ),
  NDI_E_TARGET_OCCUPIED: entry(
    ['permanent', 'run', 'none'],
    'The target folder already holds something else.',
    'Choose a folder that is empty or does not exist.',
  ),
  NDI_E_TARGET: entry(
    ['permanent', 'run', 'none'],
    'The dataset cannot be put at this place.',
    'Choose another folder, for example a new one inside the named place; remove what is in the way.',
  ),
  NDI_E_OPEN_CHECK: entry(
    ['permanent', 'run', 'none'],
    'The built dataset does not read back as it should.',
    'Report it with the run id; the target folder was not touched.',
  ),
  NDI_E_CHANGED_HERE: entry(
    ['permanent', 'item', 'none'],
    'An item differs from the cloud’s and was not replaced there.',
    'Upload with `--on-change replace` to replace it in the cloud, or download the cloud’s into another folder to compare.',
  ),
  NDI_E_CHANGED_THERE: entry(
    ['permanent', 'item', 'none'],
    'The cloud’s item was changed since both sides agreed; it was left as it is.',
    'Download the dataset into another folder and compare; nothing is overwritten by itself.',
  ),
  NDI_E_CHANGED_BY_CLOUD: entry(
    ['permanent', 'item', 'none'],
    'The cloud took a document in and gives back another content.',
    'The detail names the first difference; if it matters, tell the keepers of the cloud.',
  ),
  NDI_E_BINARIES_ELSEWHERE: entry(
    ['permanent', 'item', 'none'],
    'Binaries of the dataset are in another cloud dataset and not on this disk.',
    'Fetch them with `ndi-courier files get DIR --all`, then upload again.',
  ),
  NDI_E_UID_TWICE: entry(
    ['permanent', 'item', 'none'],
    'Two files with different bytes have the same uid.',
    'Give one of them a uid of its own; the cloud can keep only one under this name.',
  ),
  NDI_E_LISTS_DISAGREE: entry(
    ['permanent', 'run', 'none'],
    'The cloud’s list has fewer documents than its own counts, and did not change for the quiet time.',
    'Run the same command again later; it completes what was missing.',
  ),
  NDI_E_LEASE_LOST: entry(
    ['permanent', 'run', 'none'],
    'Another run took this dataset over while this one was away.',
    'Start the command again when the other run has ended; what is done stays done.',
  ),
  NDI_E_DATASET_IN_USE: entry(
    ['waits-for-run', 'run', 'none'],
    'Another run is working on this dataset.',
    'A run goes on by itself when the other one ends; repeat any other command then.',
  ),
  NDI_E_BAD_METADATA: entry(
    ['permanent', 'run', 'none'],
    'The metadata for the new cloud dataset is not valid.',
    'Correct the listed fields, or pass --new NAME.',
  ),
} as const satisfies Record<string, ErrorEntry>;
