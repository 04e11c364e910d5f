/**
 * The NDI Cloud API client.
 *
 * request.ts      makes requests: address, token, timeouts, size, request id; repeat.ts repeats some
 * outcome.ts      knows what an answer's status and body mean; sanitize.ts what may be repeated of it
 * answers.ts      how answers are checked; json-text.ts takes document bodies out of them as text
 * pages.ts        lists that come in pages; file-rows.ts rows of file lists
 * ids.ts          refuses malformed ids before they are sent
 * users, organizations, datasets, documents, query, files, bulk-uploads: one file per resource auth, account,
 * license, discovery, compute, signed-urls, file-tiers, write-lock: what no transfer needs, for people and
 * scripts
 * ../auth/        where the token comes from: environment, profiles, logging in
 */

import type { Network } from '../../net/network.ts';
import { type AccountRoutes, createAccount } from './account.ts';
import { createBulkUploads } from './bulk-uploads.ts';
import { type ComputeRoutes, createCompute } from './compute.ts';
import { createDatasets } from './datasets.ts';
import { createDiscovery, type DiscoveryRoutes } from './discovery.ts';
import { createDocuments } from './documents.ts';
import { createFileTiers, type FileTierRoutes } from './file-tiers.ts';
import { createFiles } from './files.ts';
import { createOrganizationId } from './organizations.ts';
import { createQuery } from './query.ts';
import { type RepeatPolicy, repeatRequests } from './repeat.ts';
import { createRequester, type Timeouts } from './request.ts';
import { createSignedUrls, type SignedUrlRoutes } from './signed-urls.ts';
import type { CloudClient, TokenSource } from './types.ts';
import { createUsers } from './users.ts';
import { createWriteLock } from './write-lock.ts';

export type { AccountRoutes } from './account.ts';
export type { ComputeRoutes, ComputeSession } from './compute.ts';
export type { DiscoveryRoutes } from './discovery.ts';
export type { FileTier, FileTierRoutes, StartedTierJob, TierJob } from './file-tiers.ts';
export type { MatlabLicense, MatlabLicenseStatus } from './license.ts';
export type { Timeouts } from './request.ts';
export type { SignedUrlJob, SignedUrlQuery, SignedUrlRoutes, SignedUrlSet } from './signed-urls.ts';
export type * from './types.ts';

export interface CloudClientOptions {
  /** With `/v1`, e.g. from `baseUrlOf` of ../auth/environment.ts. */
  readonly baseUrl: string;
  readonly tokens: TokenSource;
  /** The organisation to work in; a function is asked each time, so that a new login can change it. */
  readonly organizationId?: string | (() => Promise<string | undefined>) | undefined;
  /** Requests at a time, default 6. */
  readonly connections?: number | undefined;
  readonly timeouts?: Timeouts | undefined;
  /** Proxy and certificates. Default: those of the process. */
  readonly network?: Network | undefined;
  /** Repeat requests that cannot have acted. Default: each call is one request. */
  readonly repeat?: RepeatPolicy | undefined;
}

/** The client with the routes that only people and scripts use. */
export interface FullCloudClient extends CloudClient {
  readonly account: AccountRoutes;
  readonly discovery: DiscoveryRoutes;
  readonly compute: ComputeRoutes;
  readonly signedUrls: SignedUrlRoutes;
  readonly fileTiers: FileTierRoutes;
}

/** A client for one cloud and one account. Opens connections when it needs them; `close` ends them. */
export function createCloudClient(options: CloudClientOptions): FullCloudClient {
  const { organizationId: configured } = options;
  const plain = createRequester({
    baseUrl: options.baseUrl,
    tokens: options.tokens,
    connections: options.connections,
    timeouts: options.timeouts,
    network: options.network,
  });
  const requester = options.repeat === undefined ? plain : repeatRequests(plain, options.repeat);
  const users = createUsers(requester);
  const organizationId = createOrganizationId(
    users.me,
    typeof configured === 'function' ? configured : async () => configured,
  );
  return {
    baseUrl: options.baseUrl,
    ...users,
    organizationId,
    datasets: createDatasets(requester, organizationId),
    documents: createDocuments(requester),
    query: createQuery(requester),
    files: createFiles(requester),
    bulkUploads: createBulkUploads(requester),
    account: createAccount(requester),
    discovery: createDiscovery(requester),
    compute: createCompute(requester),
    signedUrls: createSignedUrls(requester),
    fileTiers: createFileTiers(requester),
    writeLock: createWriteLock(requester),
    close: () => requester.close(),
  };
}
