import { describe, expect, it } from 'vitest';
import type { Progress } from '../progress.ts';
import { createView } from './watch.ts';

/** A terminal that wraps its lines anew when its width changes, as most do. */
class Terminal {
  readonly isTTY = true;
  readonly rows = 40;
  columns: number;
  /** A row, and whether the next one goes on with its line. */
  private screen: { text: string; goesOn: boolean }[] = [{ text: '', goesOn: false }];
  private row = 0;
  private column = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): boolean {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal reads these
    for (const [part, count, command] of text.matchAll(/\u001b\[\??(\d*)([A-Za-z])|[^\u001b]/gs)) {
      if (command === undefined) this.put(part);
      else if (command === 'A') this.row = Math.max(0, this.row - Number(count || 1));
      else if (command === 'B') this.row = Math.min(this.screen.length - 1, this.row + Number(count || 1));
      else if (command === 'G') this.column = 0;
      else if (command === 'K') this.erase(count);
      else if (command !== 'h' && command !== 'l') throw new Error(`Unknown command ${JSON.stringify(part)}`);
    }
    return true;
  }

  resize(columns: number): void {
    const lines: string[] = [];
    let isNew = true;
    for (const { text, goesOn } of this.screen.slice(0, this.row + 1)) {
      if (isNew) lines.push(text);
      else lines[lines.length - 1] += text;
      isNew = !goesOn;
    }
    this.screen = lines.flatMap((line) => {
      const parts = line.match(new RegExp(`.{1,${columns}}`, 'gu')) ?? [''];
      return parts.map((text, at) => ({ text, goesOn: at < parts.length - 1 }));
    });
    this.columns = columns;
    // The view leaves the cursor below what it has drawn.
    this.row = this.screen.length - 1;
  }

  get lines(): string[] {
    const lines = this.screen.map(({ text }) => text.trimEnd());
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }

  private put(character: string): void {
    if (character === '\n') {
      this.row += 1;
      this.column = 0;
      if (this.row === this.screen.length) this.screen.push({ text: '', goesOn: false });
      return;
    }
    const row = this.screen[this.row]!;
    row.text =
      row.text.slice(0, this.column).padEnd(this.column) + character + row.text.slice(this.column + 1);
    this.column += 1;
  }

  private erase(what: string | undefined): void {
    const row = this.screen[this.row]!;
    if (what === '2') this.screen[this.row] = { text: '', goesOn: false };
    else row.text = row.text.slice(0, this.column);
  }
}

const progress = (transferred: number): Progress => ({
  workflowId: 'upload/a@b',
  runId: 'r',
  status: 'running',
  operation: 'upload',
  phase: 'files',
  waitingFor: null,
  paused: false,
  site: 'b',
  profile: null,
  ndiDatasetId: 'a',
  cloudDatasetId: null,
  counts: {
    documents: { total: 1_002, transferred: 812, skipped: 190, failed: 0 },
    files: { total: 40, transferred: 10, skipped: 0, failed: 1 },
  },
  bytes: { total: 200_000_000, transferred },
  bytesPerSecond: 12_500_000,
  etaMs: 12_000,
  units: { total: 10, done: 3, inFlight: 0 },
  retries: 0,
  window: 4,
  startedAt: '2026-01-01T00:00:00.000Z',
  problemCount: 0,
  inFlight: [],
  lastFailure: null,
  source: 'workflow',
});

describe('the view of a terminal whose width changes', () => {
  it('leaves no rows behind, and takes none that are not its own', () => {
    const terminal = new Terminal(100);
    const nowMs = Date.parse('2026-01-01T00:02:05.000Z');
    terminal.write('Run upload/a@b\n');
    const view = createView(terminal as unknown as NodeJS.WriteStream, () => nowMs);
    let transferred = 0;
    for (const columns of [100, 40, 23, 61, 200, 30, 31, 30]) {
      terminal.resize(columns);
      transferred += 10_000_000;
      view.show(progress(transferred));
      const fresh = new Terminal(columns);
      fresh.write('Run upload/a@b\n');
      createView(fresh as unknown as NodeJS.WriteStream, () => nowMs).show(progress(transferred));
      expect(terminal.lines, `${columns} columns`).toEqual(fresh.lines);
    }
  });
});
