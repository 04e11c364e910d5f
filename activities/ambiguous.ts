import { isCourierError } from '../errors/index.ts';

const AMBIGUOUS = new Set([
  'NDI_E_GATEWAY_TIMEOUT',
  'NDI_E_NETWORK',
  'NDI_E_STALLED',
  'NDI_E_CLOUD_UNAVAILABLE',
  'NDI_E_BAD_ANSWER',
]);

/** After such an error the request may have been carried out: look before repeating it (contract §10 #3). */
export const mayHaveHappened = (error: unknown): boolean =>
  isCourierError(error) && AMBIGUOUS.has(error.code);
