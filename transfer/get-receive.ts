/** The bytes of one answer on their way to their place: in the file, or in memory. */
import type { FileHandle } from 'node:fs/promises';
import type { RangeAnswer } from './get-range.ts';
import type { Follower } from './hash.ts';
import type { Parts, Span } from './parts.ts';

const MiB = 1024 * 1024;

/** Where an object's bytes go. */
export interface Sink {
  /** So many bytes are gathered for one call of `write`. */
  readonly writeBytes: number;
  write(pieces: Buffer[], start: number, bytes: number): Promise<void> | void;
}

/** Written to disk at once, or a part if that is less: bytes in memory are lost in a crash. */
const WRITE_BYTES = MiB;

export const fileSink = ({
  file,
  follower,
  parts,
}: {
  readonly file: FileHandle;
  readonly follower: Follower;
  readonly parts: Parts;
}): Sink => ({
  writeBytes: Math.min(WRITE_BYTES, parts.partSizeBytes),
  write: async (pieces, start, bytes) => {
    await writeFully(file, pieces, start, bytes);
    parts.written(start, start + bytes);
    follower.advance(parts.frontier());
  },
});

export const memorySink = (memory: Buffer): Sink => ({
  writeBytes: memory.length,
  write: (pieces, start) => {
    let at = start;
    for (const piece of pieces) at += piece.copy(memory, at);
  },
});

/**
 * Writes the part of an answer's body that falls into `span`, with one write in flight while the next is
 * gathered. Also when the body breaks, all that came is written, and told to `onWritten`, before the error
 * goes on.
 */
export async function receive(
  answer: RangeAnswer,
  span: Span,
  sink: Sink,
  onWritten: (end: number) => void,
): Promise<void> {
  let chunks: Buffer[] = [];
  let gathered = 0;
  let writeAt = span.start;
  let writing: Promise<void> = Promise.resolve();
  const write = async (pieces: Buffer[], start: number, bytes: number): Promise<void> => {
    await sink.write(pieces, start, bytes);
    onWritten(start + bytes);
  };
  const flush = async (): Promise<void> => {
    await writing;
    if (gathered === 0) return;
    writing = write(chunks, writeAt, gathered);
    // Awaited by the next flush; until then it must not count as unhandled.
    writing.catch(() => {});
    writeAt += gathered;
    chunks = [];
    gathered = 0;
  };
  try {
    let at = answer.start;
    for await (const chunk of answer.body) {
      const wanted = chunk.subarray(Math.max(0, span.start - at), Math.max(0, span.end - at));
      at += chunk.length;
      if (wanted.length > 0) {
        chunks.push(wanted);
        gathered += wanted.length;
      }
      if (gathered >= sink.writeBytes) await flush();
      if (at >= span.end) break;
    }
  } finally {
    await flush();
    await writing;
  }
}

async function writeFully(file: FileHandle, pieces: Buffer[], start: number, bytes: number): Promise<void> {
  const { bytesWritten } = await file.writev(pieces, start);
  if (bytesWritten === bytes) return;
  // A short write: the disk is about to be full, or a signal came between.
  const rest = Buffer.concat(pieces).subarray(bytesWritten);
  for (let at = 0; at < rest.length; ) {
    at += (await file.write(rest, at, rest.length - at, start + bytesWritten + at)).bytesWritten;
  }
}
