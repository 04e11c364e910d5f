/**
 * What NDI Cloud answers, after the careless shapes are normalised. Section marks are of the NDI Cloud
 * contract.
 */

/**
 * A row of a document list (§2.5 E1) or a query (§2.6). `ndiId` may be empty: the cloud does not insist on
 * one.
 */
export interface DocumentSummary {
  readonly id: string;
  readonly ndiId: string;
  readonly name: string;
  readonly className: string;
}

/** A row of a file list (§2.7 F4, §2.11). */
export interface FileRow {
  readonly uid: string;
  readonly uploaded: boolean | undefined;
  readonly sizeBytes: number | undefined;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly page: number;
  readonly pageSize: number;
  /** Absent where the server does not say. */
  readonly totalNumber: number | undefined;
}

/** A dataset record (§2.4 D3, or a list row of D2 with what it has). */
export interface DatasetRecord {
  readonly id: string;
  readonly name: string;
  readonly organizationId: string | undefined;
  readonly createdAt: string | undefined;
  readonly isPublished: boolean;
  readonly isSubmitted: boolean;
  readonly isDeleted: boolean;
  readonly documentCount: number | undefined;
  readonly totalSizeBytes: number | undefined;
  /** Present on servers before keyset listing (§2.11). */
  readonly files: readonly FileRow[] | undefined;
  /** The record as it came, for people and for metadata. */
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface BulkUploadJob {
  readonly jobId: string;
  readonly state: 'queued' | 'extracting' | 'complete' | 'failed';
  readonly filesExtracted: number;
  readonly totalFiles: number | undefined;
  readonly error: string | undefined;
}

export interface Organization {
  readonly id: string;
  readonly name: string;
  readonly canUploadDataset: boolean;
}

export interface CloudUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly isAdmin: boolean;
  readonly organizations: readonly Organization[];
}

/**
 * The raw API, one method per endpoint, typed and checked. Each throws `CourierError`, whose class says what
 * to do; nothing here repeats a request that may have been carried out (POST without an answer): callers look
 * first. GETs are repeated by callers' policy too; one call is one request, except that a 401 on an expired
 * token renews the token and asks once more.
 */
export interface CloudClient {
  readonly baseUrl: string;
  me(signal?: AbortSignal): Promise<CloudUser>;
  user(userId: string, signal?: AbortSignal): Promise<CloudUser>;
  /**
   * The organisation in force: chosen by configuration, or the only one.
   * @throws NDI_E_NO_ORGANIZATION, NDI_E_CHOOSE_ORGANIZATION
   */
  organizationId(signal?: AbortSignal): Promise<string>;
  datasets: {
    list(
      query: PageQuery & { organizationId?: string | undefined },
      signal?: AbortSignal,
    ): Promise<Page<DatasetRecord>>;
    published(query: PageQuery, signal?: AbortSignal): Promise<Page<DatasetRecord>>;
    unpublished(query: PageQuery, signal?: AbortSignal): Promise<Page<DatasetRecord>>;
    deleted(query: PageQuery, signal?: AbortSignal): Promise<Page<DatasetRecord>>;
    get(datasetId: string, signal?: AbortSignal): Promise<DatasetRecord>;
    create(organizationId: string, metadata: object, signal?: AbortSignal): Promise<{ id: string }>;
    update(datasetId: string, changes: object, signal?: AbortSignal): Promise<void>;
    delete(datasetId: string, when: string, signal?: AbortSignal): Promise<void>;
    undelete(datasetId: string, signal?: AbortSignal): Promise<void>;
    submit(datasetId: string, signal?: AbortSignal): Promise<void>;
    publish(datasetId: string, signal?: AbortSignal): Promise<void>;
    unpublish(datasetId: string, signal?: AbortSignal): Promise<void>;
    branches(datasetId: string, signal?: AbortSignal): Promise<readonly DatasetRecord[]>;
  };
  documents: {
    list(datasetId: string, query: PageQuery, signal?: AbortSignal): Promise<Page<DocumentSummary>>;
    count(datasetId: string, signal?: AbortSignal): Promise<number>;
    classCounts(datasetId: string, signal?: AbortSignal): Promise<Readonly<Record<string, number>>>;
    /** `text` is the document as JSON text; bare NaN/Infinity allowed. Returns the cloud id. */
    add(datasetId: string, text: string, signal?: AbortSignal): Promise<{ id: string }>;
    /** The body as text, hydrated locations still in it. */
    get(datasetId: string, documentId: string, signal?: AbortSignal): Promise<string>;
    update(datasetId: string, documentId: string, text: string, signal?: AbortSignal): Promise<void>;
    delete(datasetId: string, documentId: string, when: string, signal?: AbortSignal): Promise<void>;
    deleted(datasetId: string, query: PageQuery, signal?: AbortSignal): Promise<Page<DocumentSummary>>;
    bulkDelete(
      datasetId: string,
      documentIds: readonly string[],
      when: string,
      signal?: AbortSignal,
    ): Promise<void>;
    /** 1..500 cloud ids (§2.5 E8); unknown ones are left out silently. `text` is the document body alone. */
    bulkFetch(
      datasetId: string,
      documentIds: readonly string[],
      signal?: AbortSignal,
    ): Promise<ReadonlyArray<{ readonly id: string; readonly ndiId: string; readonly text: string }>>;
    /** A presigned PUT for a zip of documents (E9). Never log or return the URL. */
    bulkUploadUrl(datasetId: string, signal?: AbortSignal): Promise<string>;
    /** A presigned GET for a zip of these documents (E10); 403/404 until it is ready. */
    bulkDownloadUrl(datasetId: string, documentIds: readonly string[], signal?: AbortSignal): Promise<string>;
  };
  query(
    scope: string,
    searchstructure: readonly object[],
    query: PageQuery,
    signal?: AbortSignal,
  ): Promise<Page<DocumentSummary & { readonly datasetId: string }>>;
  files: {
    /**
     * Every file row, keyset pages where the server has them, else `files[]` of the record. One page at a
     * time.
     */
    list(datasetId: string, signal?: AbortSignal): AsyncIterable<readonly FileRow[]>;
    uploadUrl(organizationId: string, datasetId: string, uid: string, signal?: AbortSignal): Promise<string>;
    bulkUploadUrl(
      organizationId: string,
      datasetId: string,
      signal?: AbortSignal,
    ): Promise<{ url: string; jobId: string | undefined }>;
    /** Where to GET one file from now on, for minutes. */
    downloadUrl(datasetId: string, uid: string, signal?: AbortSignal): Promise<string>;
  };
  bulkUploads: {
    get(jobId: string, signal?: AbortSignal): Promise<BulkUploadJob>;
    list(datasetId: string, state: string, signal?: AbortSignal): Promise<readonly BulkUploadJob[]>;
  };
  readonly writeLock: WriteLockRoutes;
  close(): Promise<void>;
}

export interface WriteLock {
  readonly heldBy: string | undefined;
  readonly heldUntil: string | undefined;
  readonly reason: string | undefined;
}

export interface WriteLockRoutes {
  /** The holder who asks again refreshes it. The cloud's own lifetime is about half an hour. */
  acquire(
    datasetId: string,
    lock: { readonly reason: string; readonly ttlSeconds?: number | undefined },
    signal?: AbortSignal,
  ): Promise<WriteLock>;
  /** Undefined: nobody holds it. */
  get(datasetId: string, signal?: AbortSignal): Promise<WriteLock | undefined>;
  refresh(datasetId: string, ttlSeconds?: number, signal?: AbortSignal): Promise<WriteLock>;
  release(datasetId: string, signal?: AbortSignal): Promise<void>;
}

export interface PageQuery {
  /** From 1. */
  readonly page: number;
  readonly pageSize: number;
}

/** Where a request gets its bearer token: the client says what it needs, `ndi/auth` gives it. */
export interface TokenSource {
  /**
   * A token that is good for five minutes or, where it cannot be renewed, until it expires. Needs-login
   * errors (NO_CREDENTIALS, LOGIN_EXPIRED, WRONG_PASSWORD) or, when the cloud cannot be asked, retryable
   * ones.
   */
  get(): Promise<string>;
  /** The cloud refused this token: never give it out again. */
  invalidate(token: string): void;
  /** The name of the login, for people; no secret. */
  describe(): string;
}
