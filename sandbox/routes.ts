/**
 * Names of routes: which pattern a request belongs to, for fault switches and counters. First registered,
 * first matched.
 */

export interface RouteTable {
  add(method: string, pattern: string): void;
  /** `GET /datasets/:d`, or undefined for a path that no route serves. */
  nameOf(method: string, path: string): string | undefined;
  /** Does any route carry this name, whatever its parameters are called? */
  has(name: string): boolean;
}

/** Parameter names do not matter: `/datasets/:d` and `/datasets/:id` are the same route. */
export const normalizeRoute = (name: string): string => name.trim().replace(/:[A-Za-z_]+/g, ':');

export function createRouteTable(): RouteTable {
  const buckets = new Map<string, { name: string; segments: string[] }[]>();
  const names = new Set<string>();
  const matches = (segments: string[], path: string[]): boolean =>
    segments.every((segment, i) => (segment.startsWith(':') ? path[i] !== '' : segment === path[i]));
  return {
    add: (method, pattern) => {
      const segments = pattern.split('/');
      const bucket = `${method} ${segments.length}`;
      const list = buckets.get(bucket) ?? [];
      list.push({ name: `${method} ${pattern}`, segments });
      buckets.set(bucket, list);
      names.add(normalizeRoute(`${method} ${pattern}`));
    },
    nameOf: (method, path) => {
      const segments = path.split('/');
      return buckets.get(`${method} ${segments.length}`)?.find((r) => matches(r.segments, segments))?.name;
    },
    has: (name) => names.has(normalizeRoute(name)),
  };
}
