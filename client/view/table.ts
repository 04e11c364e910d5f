/** Plain tables: columns as wide as their longest cell, two spaces between. Pure. */

/** Rows under headers; the last column is not padded. */
export function table(headers: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const all = [headers, ...rows];
  const widths = headers.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    headers
      .map((_, column) => (row[column] ?? '').padEnd(column === headers.length - 1 ? 0 : widths[column]!))
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}

/** `key   value` lines; those without a value are left out. */
export function facts(pairs: ReadonlyArray<readonly [string, string | undefined]>): string {
  const kept = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const width = Math.max(0, ...kept.map(([name]) => name.length));
  return kept.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}
