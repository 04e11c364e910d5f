import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { UnitScope } from '../shared/units.ts';

/** A unit of a download, with all that fetching it needs. */
export type Fetching = UnitScope<DownloadInput>;
