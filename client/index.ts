/**
 * `import { createCourier } from 'ndi-courier'`: start, attach, watch and steer transfers between NDI
 * datasets and NDI Cloud. Everything that this module exports keeps its meaning within a major version;
 * nothing else does.
 */
export { CourierError, ERRORS, type ErrorClass, type ErrorCode, isCourierError } from '../errors/index.ts';
export type {
  BulkUploadJob,
  CloudClient,
  CloudUser,
  ComputeSession,
  DatasetRecord,
  DocumentSummary,
  FileRow,
  FileTier,
  FullCloudClient,
  MatlabLicense,
  MatlabLicenseStatus,
  Organization,
  Page,
  PageQuery,
  SignedUrlJob,
  SignedUrlQuery,
  SignedUrlSet,
  StartedTierJob,
  TierJob,
  WriteLock,
} from '../ndi/cloud/index.ts';
export type { DatasetIdentity } from '../ndi/dataset/types.ts';
export { type DocumentQuery, parseCondition, type QueryCondition } from '../ndi/document/query.ts';
export type { DocumentFacts, JsonValue, NdiDocument } from '../ndi/document/types.ts';
export {
  type Counts,
  DEFAULT_TUNING,
  type EndPhase,
  type FailureInfo,
  type ProblemLine,
  type RunProgress,
  type RunResult,
  type Tuning,
  type Waiting,
} from '../workflows/contracts/index.ts';
export { OPERATIONS, type Operation, parseRunId, phaseText } from '../workflows/operations.ts';
export type { AccountChoice, Accounts, Login, NewLogin, Profile, WhoAmI } from './accounts.ts';
export {
  type Courier,
  type CourierOptions,
  createCourier,
  type DownloadOptions,
  type UploadOptions,
} from './courier.ts';
export { type Dataset, type DatasetDocument, type DatasetFile, openDataset } from './dataset.ts';
export type { LinkOptions, LinkResult, UnlinkResult } from './dataset-link.ts';
export type { ConflictCopies, Inbox, RestoredDocument } from './inbox.ts';
export type { ExecutionStatus, Progress, UnitInFlight } from './progress.ts';
export type { RunHandle, WatchOptions } from './run-handle.ts';
export type { RunSummary } from './run-records.ts';
export type { RunDetails, RunQuery, Runs } from './runs.ts';
export type { ScheduleOptions, ScheduleState, Schedules } from './schedules.ts';
export type { Service, ServiceState } from './service.ts';
export { type PlanFile, readPlanFile, type SyncOptions } from './sync.ts';
export type { TemporalTarget } from './temporal.ts';
