/**
 * Every error a person can meet, once. `docs/errors.md` is generated from this table.
 *
 * - A code is stable and is never re-used for something else.
 * - `class`, `about` and `effect` decide what a run does; they are decided here, where the knowledge is, and nowhere else.
 * - `sentence` is what a lab member reads; `nextStep` is what they can do about it.
 */

import type { ErrorAbout, ErrorClass, ErrorEffect, ErrorEntry } from './types.ts';

const entry = (
  [errorClass, about, effect]: readonly [ErrorClass, ErrorAbout, ErrorEffect],
  sentence: string,
  nextStep: string,
): ErrorEntry => ({ class: errorClass, about, effect, sentence, nextStep });

export const ERRORS = {
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
    'Nothing to do: this run goes on when the other one ends.',
  ),
  NDI_E_BAD_METADATA: entry(
    ['permanent', 'run', 'none'],
    'The metadata for the new cloud dataset is not valid.',
    'Correct the listed fields, or pass --new NAME.',
  ),

  // Logging in.
  NDI_E_NO_CREDENTIALS: entry(
    ['needs-login', 'run', 'none'],
    'No credentials for NDI Cloud were found.',
    'Run `ndi-courier login`, or set NDI_CLOUD_USERNAME and NDI_CLOUD_PASSWORD.',
  ),
  NDI_E_LOGIN_EXPIRED: entry(
    ['needs-login', 'run', 'none'],
    'The login to NDI Cloud is no longer valid and could not be renewed.',
    'Run `ndi-courier login`; waiting runs go on by themselves.',
  ),
  NDI_E_WRONG_PASSWORD: entry(
    ['needs-login', 'run', 'none'],
    'NDI Cloud refused this e-mail and password.',
    'Run `ndi-courier login` again, or correct NDI_CLOUD_USERNAME and NDI_CLOUD_PASSWORD where they are set.',
  ),
  NDI_E_NO_ORGANIZATION: entry(
    ['permanent', 'run', 'none'],
    'This account belongs to no organisation.',
    'Ask the administrator of your lab’s organisation to add you.',
  ),
  NDI_E_CHOOSE_ORGANIZATION: entry(
    ['permanent', 'run', 'none'],
    'This account belongs to several organisations.',
    'Choose one with --organization ID or NDI_CLOUD_ORGANIZATION_ID.',
  ),

  NDI_E_SECRETS_EXPOSED: entry(
    ['needs-person', 'run', 'none'],
    'A file with secrets can be read by other people on this computer, so it was not used.',
    'Run `chmod 600` on the named file; if others may have read it, change the password.',
  ),
  NDI_E_SETTING: entry(
    ['permanent', 'run', 'none'],
    'A setting is not valid.',
    'Correct the named variable, option or file.',
  ),

  // NDI Cloud and its object store.
  NDI_E_FORBIDDEN: entry(
    ['permanent', 'run', 'none'],
    'This account may not do that on NDI Cloud.',
    'Ask the owner of the dataset, or log in with another profile.',
  ),
  NDI_E_NOT_FOUND: entry(
    ['permanent', 'run', 'none'],
    'NDI Cloud does not have this.',
    'Check the id; `ndi-courier cloud datasets list` and its neighbours show what is there.',
  ),
  NDI_E_BAD_REQUEST: entry(
    ['permanent', 'item', 'none'],
    'NDI Cloud refused the request.',
    'Report it with the request id; repeating it will not help.',
  ),
  NDI_E_REQUEST_TOO_LARGE: entry(
    ['permanent', 'item', 'none'],
    'This is larger than NDI Cloud takes in one request.',
    'Look at the named document; documents over about 5 MB belong into binary files.',
  ),
  NDI_E_DATASET_PUBLISHED: entry(
    ['permanent', 'run', 'none'],
    'The cloud dataset is published, and published datasets do not change.',
    'Upload into another dataset with --to or --as-new, or ask for it to be unpublished.',
  ),
  NDI_E_OTHER_DATASET: entry(
    ['permanent', 'run', 'none'],
    'The cloud dataset given with --to holds another dataset.',
    'Check the id with `ndi-courier cloud datasets list`, or upload with --as-new.',
  ),
  NDI_E_OTHER_COPY: entry(
    ['permanent', 'run', 'none'],
    'Another copy of this dataset is being worked on.',
    'Wait for its run to end, or cancel it; then run the command again.',
  ),
  NDI_E_LOCKED: entry(
    ['retryable', 'run', 'none'],
    'Somebody else holds the write lock of the cloud dataset.',
    'Nothing to do: the run tries again by itself.',
  ),
  NDI_E_WRITE_LOCKED: entry(
    ['waits-for-run', 'run', 'none'],
    'Somebody else has locked the cloud dataset.',
    'Nothing to do: the run goes on when the lock is released or ends by itself.',
  ),
  NDI_E_RATE_LIMITED: entry(
    ['retryable', 'run', 'none'],
    'NDI Cloud asks us to slow down.',
    'Nothing to do: the run tries again by itself.',
  ),
  NDI_E_CLOUD_UNAVAILABLE: entry(
    ['retryable', 'run', 'unknown'],
    'NDI Cloud did not answer properly.',
    'Nothing to do: the run tries again by itself.',
  ),
  NDI_E_GATEWAY_TIMEOUT: entry(
    ['retryable', 'run', 'unknown'],
    'NDI Cloud answered 504: it may or may not have done the work.',
    'Nothing to do: the run looks before it repeats anything.',
  ),
  NDI_E_NETWORK: entry(
    ['retryable', 'run', 'unknown'],
    'The connection broke.',
    'Nothing to do: the run tries again by itself.',
  ),
  NDI_E_STALLED: entry(
    ['retryable', 'run', 'unknown'],
    'No bytes moved for a long time.',
    'Nothing to do: the run tries again by itself.',
  ),
  NDI_E_BAD_ANSWER: entry(
    ['retryable', 'run', 'unknown'],
    'NDI Cloud answered something that was not expected.',
    'If it goes on, report it with the request id.',
  ),
  NDI_E_ANSWER_TOO_LARGE: entry(
    ['retryable', 'run', 'unknown'],
    'NDI Cloud answered more than one answer can hold.',
    'If it goes on, report it with the request id.',
  ),
  NDI_E_URL_EXPIRED: entry(
    ['retryable', 'item', 'none'],
    'A transfer address expired.',
    'Nothing to do: the run asks for a new one.',
  ),
  NDI_E_NOT_READY: entry(
    ['retryable', 'item', 'none'],
    'NDI Cloud is still preparing this.',
    'Nothing to do: the run asks again.',
  ),
  NDI_E_INTEGRITY: entry(
    ['retryable', 'item', 'none'],
    'The bytes that arrived are not the bytes that were sent.',
    'Nothing to do: the run sends them again.',
  ),
  NDI_E_ARCHIVED: entry(
    ['permanent', 'item', 'none'],
    'The file is in cold storage and must be thawed first.',
    'Ask NDI Cloud to thaw the file, then run the command again.',
  ),
  NDI_E_IMPORT_INCOMPLETE: entry(
    ['permanent', 'item', 'none'],
    'NDI Cloud did not take in everything that was sent.',
    'Run the upload again; only what is missing is sent.',
  ),

  NDI_E_DUPLICATES: entry(
    ['permanent', 'item', 'none'],
    'The cloud holds documents more than once.',
    'Nothing of yours was lost; ask the owner of the cloud dataset to remove the doubles.',
  ),

  // ZIP archives that come from outside.
  NDI_E_ZIP_UNSAFE: entry(
    ['permanent', 'run', 'none'],
    'A ZIP archive holds entries that are not safe to unpack.',
    'Report it; nothing of the archive was unpacked.',
  ),
  NDI_E_ZIP_CORRUPT: entry(
    ['retryable', 'run', 'none'],
    'A ZIP archive is damaged.',
    'Nothing to do: the run fetches it again.',
  ),

  // Our own records and service.
  NDI_E_LEDGER_NEWER: entry(
    ['permanent', 'run', 'none'],
    'The records of this dataset were written by a newer ndi-courier.',
    'Update ndi-courier.',
  ),
  NDI_E_LEDGER: entry(
    ['needs-person', 'run', 'none'],
    'The records of this dataset could not be read or written.',
    'Check disk space and permissions, then resume the run.',
  ),
  NDI_E_LEDGER_BUSY: entry(
    ['retryable', 'run', 'none'],
    'Another process is writing the records of this dataset.',
    'Nothing to do: the run tries again by itself.',
  ),
  NDI_E_NO_TEMPORAL: entry(
    ['permanent', 'run', 'none'],
    'No Temporal server could be found or made.',
    'See the list of choices in the message, or set TEMPORAL_ADDRESS.',
  ),
  NDI_E_SERVICE: entry(
    ['permanent', 'run', 'none'],
    'The background service could not be started.',
    'Run `ndi-courier doctor`; its log names the cause.',
  ),
  NDI_E_SANDBOX: entry(
    ['permanent', 'run', 'none'],
    'The sandbox cannot use its state folder.',
    'Stop the sandbox that uses the folder, or give an empty folder with --state.',
  ),
  NDI_E_NOT_RUNNING: entry(
    ['permanent', 'run', 'none'],
    'ndi-courier is not running.',
    'Run `ndi-courier up`.',
  ),
  NDI_E_RUN_UNKNOWN: entry(
    ['permanent', 'run', 'none'],
    'There is no such run.',
    'Run `ndi-courier runs list`.',
  ),
  NDI_E_RUN_ENDED: entry(
    ['permanent', 'run', 'none'],
    'The run has ended.',
    'Start it again to go on where it stopped; `ndi-courier runs list --open` shows what goes on.',
  ),
  NDI_E_CANCELLED: entry(
    ['permanent', 'run', 'none'],
    'The run was cancelled.',
    'Start it again to go on where it stopped.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
