import { type ErrorCode, isCourierError } from '../../errors/index.ts';

const AMBIGUOUS = new Set<ErrorCode>([
  'NDI_E_GATEWAY_TIMEOUT',
  'NDI_E_NETWORK',
  'NDI_E_STALLED',
  'NDI_E_CLOUD_UNAVAILABLE',
  'NDI_E_BAD_ANSWER',
]);

/** After such an error the request may have been carried out: look before repeating it (contract §10 #3). */
export const mayHaveHappened = (error: unknown): boolean =>
  isCourierError(error) && AMBIGUOUS.has(error.code);

const REFUSED = new Set<ErrorCode>([
  'NDI_E_BAD_REQUEST',
  'NDI_E_FILE_TOO_LARGE',
  'NDI_E_FORBIDDEN',
  'NDI_E_LOCKED',
  'NDI_E_LOGIN_EXPIRED',
  'NDI_E_NOT_FOUND',
  'NDI_E_NO_CREDENTIALS',
  'NDI_E_RATE_LIMITED',
  'NDI_E_REQUEST_TOO_LARGE',
  'NDI_E_URL_EXPIRED',
]);

/** The answer itself says that nothing was done. Of a request that was given up nobody knows, whoever gave it up. */
export const wasRefused = (error: unknown): boolean => isCourierError(error) && REFUSED.has(error.code);
