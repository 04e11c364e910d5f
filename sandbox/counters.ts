/**
 * Counters of all requests: counts per route, bytes per object, the last requests. Proves "bytes sent again".
 */

export interface RouteCount {
  count: number;
  statuses: Record<string, number>;
}

export interface ObjectCount {
  puts: number;
  gets: number;
  /** Body bytes that arrived for this key, finished or not. */
  bytesReceived: number;
  /** Body bytes handed to the socket for this key, finished or not. */
  bytesSent: number;
}

/**
 * One request; the path carries no query, so no signature. Status 0: the connection ended without an answer.
 */
export interface RequestRecord {
  origin: 'api' | 'objects';
  method: string;
  path: string;
  route: string;
  status: number;
  durationMs: number;
  faults?: string[];
}

export interface RequestReport {
  total: number;
  bytesReceived: number;
  bytesSent: number;
  routes: Record<string, RouteCount>;
  objects: Record<string, ObjectCount>;
  recent: RequestRecord[];
}

export interface Counters {
  record(request: RequestRecord): void;
  /** `put` and `get` count requests; the other two count bytes. */
  object(key: string, what: keyof ObjectCount, amount: number): void;
  report(): RequestReport;
  reset(): void;
}

const MAX_RECENT = 2000;
/**
 * Beyond this many objects the counts of new ones are summed under `*`: the sandbox must stay small in a long
 * run.
 */
const MAX_OBJECTS = 100_000;

export function createCounters(): Counters {
  let routes = new Map<string, RouteCount>();
  let objects = new Map<string, ObjectCount>();
  let recent: RequestRecord[] = [];
  let oldest = 0;
  let total = 0;
  return {
    record: (request) => {
      total++;
      let route = routes.get(request.route);
      if (route === undefined) {
        route = { count: 0, statuses: {} };
        routes.set(request.route, route);
      }
      route.count++;
      route.statuses[request.status] = (route.statuses[request.status] ?? 0) + 1;
      if (recent.length < MAX_RECENT) recent.push(request);
      else {
        recent[oldest] = request;
        oldest = (oldest + 1) % MAX_RECENT;
      }
    },
    object: (key, what, amount) => {
      let count = objects.get(key);
      if (count === undefined) {
        const name = objects.size < MAX_OBJECTS ? key : '*';
        count = objects.get(name) ?? { puts: 0, gets: 0, bytesReceived: 0, bytesSent: 0 };
        objects.set(name, count);
      }
      count[what] += amount;
    },
    report: () => {
      let bytesReceived = 0;
      let bytesSent = 0;
      for (const count of objects.values()) {
        bytesReceived += count.bytesReceived;
        bytesSent += count.bytesSent;
      }
      return {
        total,
        bytesReceived,
        bytesSent,
        routes: Object.fromEntries(routes),
        objects: Object.fromEntries(objects),
        recent: [...recent.slice(oldest), ...recent.slice(0, oldest)],
      };
    },
    reset: () => {
      routes = new Map();
      objects = new Map();
      recent = [];
      oldest = 0;
      total = 0;
    },
  };
}
