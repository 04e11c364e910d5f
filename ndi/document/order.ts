/**
 * The order in which documents may be sent: a document after everything it depends on.
 * Memory: a few integers per id and per dependency, so a million documents fit in a hundred megabytes.
 */
import { createIdTable, type IdTable } from './id-table.ts';

export interface Rankable {
  readonly id: string;
  /** Ids, or dependencies with the id in `value`. Empty and unknown ones do not count. */
  readonly dependsOn: readonly (string | { readonly value: string })[];
}

/** Documents as numbers in the order in which they were added, and what they depend on. */
export interface DocumentGraph {
  /** Adds a document; one with an id that is there already adds its dependencies to it. */
  add(document: Rankable): number;
  /** Longest-path ranks, once all documents are there. */
  rank(): GraphRanking;
}

export interface GraphRanking {
  /** Documents in an order in which they may be sent: by rank, then as they were added. */
  readonly order: Int32Array;
  idOf(document: number): string;
  /** The dependencies of a document, among those that were added. */
  dependenciesOf(document: number): Int32Array;
  /** 0 for a document that depends on nothing here, else one more than the highest of those it depends on. */
  rankOf(document: number): number;
  /**
   * Each cycle that had to be broken, once, as the ids along it. NDI cannot make one; a damaged dataset can
   * hold it.
   */
  readonly cycles: readonly (readonly string[])[];
}

export interface Ranking {
  readonly ranks: ReadonlyMap<string, number>;
  readonly maxRank: number;
  readonly cycles: readonly (readonly string[])[];
}

/** Ranks by id, for documents that are few enough to be held. */
export function rankDocuments(documents: Iterable<Rankable>): Ranking {
  const graph = createDocumentGraph();
  for (const document of documents) graph.add(document);
  const { order, idOf, rankOf, cycles } = graph.rank();
  const ranks = new Map<string, number>();
  for (const document of order) ranks.set(idOf(document), rankOf(document));
  return { ranks, maxRank: order.length === 0 ? 0 : rankOf(order.at(-1) as number), cycles };
}

export function createDocumentGraph(): DocumentGraph {
  const ids = createIdTable();
  let from = new Int32Array(1024);
  let to = new Int32Array(1024);
  let known = new Uint8Array(1024);
  let edges = 0;
  const indexOf = (id: string): number => {
    const node = ids.add(id);
    if (node >= known.length) known = grown(known, new Uint8Array(known.length * 2));
    return node;
  };
  return {
    add: ({ id, dependsOn }) => {
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
      return node;
    },
    rank: () => rankGraph({ ids, count: ids.size, edges, from, to, known }),
  };
}

function rankGraph(graph: Graph): GraphRanking {
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
  const dependencies = groupEdges(graph, graph.from);
  const isCyclic = waiting.some((count) => count > 0);
  for (let node = 0; isCyclic && node < graph.count; node += 1) {
    while (waiting[node]! > 0) {
      const cycle = findCycle(graph, dependencies, waiting, node);
      broken.push(cycle);
      // Its first document goes without waiting for the others.
      waiting[cycle[0]!] = 0;
      ready.push(cycle[0]!);
      settle();
    }
  }
  const { idOf } = graph.ids;
  return {
    order: sortedByRank(graph, rank),
    idOf,
    dependenciesOf: (node) =>
      dependencies.edges
        .subarray(dependencies.start[node], dependencies.start[node + 1])
        .map((edge) => graph.to[edge]!),
    rankOf: (node) => rank[node]!,
    cycles: broken.map((cycle) => cycle.map(idOf)),
  };
}

/** Sorts by counting: stable, and without an object per document. */
function sortedByRank({ known, count }: Graph, rank: Int32Array): Int32Array {
  let maxRank = 0;
  let documents = 0;
  for (let node = 0; node < count; node += 1) {
    if (known[node] === 0) continue;
    documents += 1;
    maxRank = Math.max(maxRank, rank[node]!);
  }
  const next = new Int32Array(maxRank + 2);
  for (let node = 0; node < count; node += 1) if (known[node]) next[rank[node]! + 1]! += 1;
  for (let at = 1; at < next.length; at += 1) next[at]! += next[at - 1]!;
  const order = new Int32Array(documents);
  for (let node = 0; node < count; node += 1) {
    if (known[node] === 0) continue;
    order[next[rank[node]!]!] = node;
    next[rank[node]!]! += 1;
  }
  return order;
}

interface Graph {
  readonly ids: IdTable;
  readonly count: number;
  readonly edges: number;
  /** Edge i goes from document `from[i]` to what it depends on, `to[i]`. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** 1 for documents, 0 for ids that are only depended on. */
  readonly known: Uint8Array;
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

/**
 * Edges between documents, grouped by one of their ends: those of node n are `edges[start[n] .. start[n +
 * 1]]`.
 */
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

/**
 * Follows unsettled dependencies from `start` until one repeats: every unsettled document has at least one.
 */
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
