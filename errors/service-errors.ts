/** Our own records and service: rows of the table of errors. */
import { type ErrorEntry, entry } from './types.ts';

export const SERVICE_ERRORS = {
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
  NDI_E_NO_SCHEDULE: entry(
    ['permanent', 'run', 'none'],
    'This dataset has no schedule.',
    'Set one with `ndi-courier schedule set DIR --at 02:00`.',
  ),
  NDI_E_ALERT: entry(
    ['retryable', 'run', 'none'],
    'An alert could not be sent.',
    'Check `alerts` in config.json; the night itself is recorded.',
  ),
  NDI_E_NOT_WAITING: entry(
    ['permanent', 'run', 'none'],
    'The run does not wait for an approval.',
    'See what it does with `ndi-courier runs show`.',
  ),
  NDI_E_NOT_RUNNING: entry(
    ['permanent', 'run', 'none'],
    'ndi-courier is not running.',
    'Run `ndi-courier up`.',
  ),
  NDI_E_RUN_UNKNOWN: entry(
    ['permanent', 'run', 'none'],
    'There is no such run.',
    'Run `ndi-courier runs list`; the report of a run that the server has forgotten is shown by `ndi-courier runs show FOLDER`.',
  ),
  NDI_E_RUN_AMBIGUOUS: entry(
    ['permanent', 'run', 'none'],
    'Several runs have this in their id.',
    'Give the whole id of the run that you mean.',
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
