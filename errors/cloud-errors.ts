/** Logging in, NDI Cloud and its object store, archives from outside: rows of the table of errors. */
import { type ErrorEntry, entry } from './types.ts';

export const CLOUD_ERRORS = {
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
  NDI_E_CERTIFICATE: entry(
    ['retryable', 'run', 'none'],
    'The certificate of a server is not trusted.',
    'Name the CA file of your lab or its proxy with COURIER_CA_FILE, then run `ndi-courier down` and `ndi-courier up`; `ndi-courier doctor` shows which is used.',
  ),
  NDI_E_CA_FILE: entry(
    ['needs-person', 'run', 'none'],
    'The file with certificates to trust cannot be used.',
    'Correct the file or the setting that names it, then resume the run.',
  ),
  NDI_E_PROXY: entry(
    ['retryable', 'run', 'none'],
    'The proxy of this network did not let the connection through.',
    'Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY; after a change run `ndi-courier down` and `ndi-courier up`.',
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
  NDI_E_UNSAFE_REDIRECT: entry(
    ['permanent', 'item', 'none'],
    'The object store redirects from https to an address without it, which was not followed.',
    'Ask whoever runs the object store or the proxy between; then run the command again.',
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
} as const satisfies Record<string, ErrorEntry>;
