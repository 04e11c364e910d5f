/**
 * The NDI Cloud API client.
 *
 * request.ts      makes requests: address, token, timeouts, size, request id
 * outcome.ts      knows what an answer's status and body mean; sanitize.ts what may be repeated of it
 * answers.ts      checks and normalises shapes; json-text.ts takes document bodies out of answers as text
 * ids.ts          refuses malformed ids before they are sent
 * users, organizations, datasets, documents, query, files, bulk-uploads: one file per resource
 * auth, account   routes of logging in and of the account; nothing that a transfer needs
 * ../auth/        where the token comes from: environment, profiles, logging in
 */
import type { TokenSource } from '../auth/token-source.ts';
import { type AccountRoutes, createAccount, createDiscovery, type DiscoveryRoutes } from './account.ts';
import { createBulkUploads } from './bulk-uploads.ts';
import { createDatasets } from './datasets.ts';
import { createDocuments } from './documents.ts';
import { createFiles } from './files.ts';
import { createOrganizationId } from './organizations.ts';
import { createQuery } from './query.ts';
import { createRequester, type Timeouts } from './request.ts';
import type { CloudClient } from './types.ts';
import { createUsers } from './users.ts';

export type { Timeouts } from './request.ts';
export type * from './types.ts';

export interface CloudClientOptions {
  /** With `/v1`, e.g. from `baseUrlOf` of ../auth/environment.ts. */
  readonly baseUrl: string;
  readonly tokens: TokenSource;
  /** The organisation to work in; a function is asked each time, so that a new login can change it. */
  readonly organizationId?: string | (() => Promise<string | undefined>) | undefined;
  /** Requests at a time, default 6. */
  readonly connections?: number;
  readonly timeouts?: Timeouts;
}

/** The client with the routes that only people and scripts use. */
export interface FullCloudClient extends CloudClient {
  readonly account: AccountRoutes;
  readonly discovery: DiscoveryRoutes;
}

/** A client for one cloud and one account. Opens connections when it needs them; `close` ends them. */
export function createCloudClient(options: CloudClientOptions): FullCloudClient {
  const { organizationId: configured } = options;
  const requester = createRequester({
    baseUrl: options.baseUrl,
    tokens: options.tokens,
    ...(options.connections === undefined ? {} : { connections: options.connections }),
    ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
  });
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
    close: () => requester.close(),
  };
}
