import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { UnitScope } from '../shared/units.ts';

/** A unit of an upload, with all that sending it needs. */
export type Sending = UnitScope<UploadInput>;
