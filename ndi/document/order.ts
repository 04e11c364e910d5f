/**
 * The order in which documents may be sent: a document after everything it depends on.
 * Memory: one map entry and a few integers per id, so a million documents fit in a few hundred megabytes.
 */

export interface Rankable {
  readonly id: string;
  /** Ids, or dependencies with the id in `value`. Empty and unknown ones do not count. */
  readonly dependsOn: readonly (string | { readonly value: string })[];
}

export interface Ranking {
  /** 0 for a document that depends on nothing here, else one more than the highest of those it depends on. */
  readonly ranks: ReadonlyMap<string, number>;
  readonly maxRank: number;
  /** Each cycle that had to be broken, once, as the ids along it. NDI cannot make one; a damaged dataset can hold it. */
  readonly cycles: readonly (readonly string[])[];
}

/** Longest-path ranks. Documents with the same id count once, with the dependencies of all of them. */
export function rankDocuments(documents: Iterable<Rankable>): Ranking {
  const graph = readGraph(documents);
  const rank = new Int32Array(graph.count);
  const waiting = new Int32Array(graph.count);
  for (let edge = 0; edge < graph.edges; edge += 1) {
    if (isReal(graph, edge)) waiting[graph.from[edge]!]! += 1;
  }
  const dependents = groupEdges(graph, graph.to);
  const ready: number[] = [];
  for (let node = 0; node < graph.count; node += 1)
    if (graph.known[node] && waiting[node] === 0) ready.push(node);

  const settle = (): void => {
    for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
      for (let at = dependents.start[node]!; at < dependents.start[node + 1]!; at += 1) {
        const dependent = graph.from[dependents.edges[at]!]!;
        if (waiting[dependent]! <= 0) continue;
        rank[dependent] = Math.max(rank[dependent]!, rank[node]! + 1);
        waiting[dependent]! -= 1;
        if (waiting[dependent] === 0) ready.push(dependent);
      }
    }
  };

  settle();
  const broken: number[][] = [];
  const dependencies = waiting.some((count) => count > 0) ? groupEdges(graph, graph.from) : undefined;
  for (let node = 0; dependencies !== undefined && node < graph.count; node += 1) {
    while (waiting[node]! > 0) {
      const cycle = findCycle(graph, dependencies, waiting, node);
      broken.push(cycle);
      // Its first document goes without waiting for the others.
      waiting[cycle[0]!] = 0;
      ready.push(cycle[0]!);
      settle();
    }
  }
  const names = broken.length > 0 ? [...graph.index.keys()] : [];
  const cycles = broken.map((cycle) => cycle.map((node) => names[node]!));
  return collect(graph, rank, cycles);
}

interface Graph {
  readonly index: Map<string, number>;
  readonly count: number;
  readonly edges: number;
  /** Edge i goes from document `from[i]` to what it depends on, `to[i]`. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** 1 for documents, 0 for ids that are only depended on. */
  readonly known: Uint8Array;
}

function readGraph(documents: Iterable<Rankable>): Graph {
  const index = new Map<string, number>();
  let from = new Int32Array(1024);
  let to = new Int32Array(1024);
  let known = new Uint8Array(1024);
  let edges = 0;
  const indexOf = (id: string): number => {
    const found = index.get(id);
    if (found !== undefined) return found;
    index.set(id, index.size);
    if (index.size > known.length) known = grown(known, new Uint8Array(known.length * 2));
    return index.size - 1;
  };
  for (const { id, dependsOn } of documents) {
    const node = indexOf(id);
    known[node] = 1;
    for (const dependency of dependsOn) {
      const target = typeof dependency === 'string' ? dependency : dependency.value;
      if (target === '') continue;
      if (edges === from.length) {
        from = grown(from, new Int32Array(edges * 2));
        to = grown(to, new Int32Array(edges * 2));
      }
      from[edges] = node;
      to[edges] = indexOf(target);
      edges += 1;
    }
  }
  return { index, count: index.size, edges, from, to, known };
}

function grown<T extends Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

const isReal = (graph: Graph, edge: number): boolean => graph.known[graph.to[edge]!] === 1;

interface EdgeGroups {
  readonly start: Int32Array;
  readonly edges: Int32Array;
}

/** Edges between documents, grouped by one of their ends: those of node n are `edges[start[n] .. start[n + 1]]`. */
function groupEdges(graph: Graph, by: Int32Array): EdgeGroups {
  const start = new Int32Array(graph.count + 1);
  for (let edge = 0; edge < graph.edges; edge += 1) if (isReal(graph, edge)) start[by[edge]! + 1]! += 1;
  for (let node = 0; node < graph.count; node += 1) start[node + 1]! += start[node]!;
  const next = start.slice();
  const edges = new Int32Array(start[graph.count]!);
  for (let edge = 0; edge < graph.edges; edge += 1) {
    if (!isReal(graph, edge)) continue;
    const node = by[edge]!;
    edges[next[node]!] = edge;
    next[node]! += 1;
  }
  return { start, edges };
}

/** Follows unsettled dependencies from `start` until one repeats: every unsettled document has at least one. */
function findCycle(graph: Graph, dependencies: EdgeGroups, waiting: Int32Array, start: number): number[] {
  const path: number[] = [];
  const seen = new Map<number, number>();
  let node = start;
  while (!seen.has(node)) {
    seen.set(node, path.length);
    path.push(node);
    let at = dependencies.start[node]!;
    while (waiting[graph.to[dependencies.edges[at]!]!]! <= 0) at += 1;
    node = graph.to[dependencies.edges[at]!]!;
  }
  return path.slice(seen.get(node)!);
}

function collect(graph: Graph, rank: Int32Array, cycles: readonly string[][]): Ranking {
  const ranks = graph.index;
  let maxRank = 0;
  for (const [id, node] of ranks) {
    if (graph.known[node] === 0) {
      ranks.delete(id);
      continue;
    }
    maxRank = Math.max(maxRank, rank[node]!);
    ranks.set(id, rank[node]!);
  }
  return { ranks, maxRank, cycles };
}
