/**
 * Datasets as labs have them: each oddity is one item of a dataset that is otherwise whole. The rest must
 * arrive, both ways; the item arrives as it is, or is listed with its own reason.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { databasePath, documentFilePath, filesDir, uidPath } from '../../ndi/dataset/layout.ts';

/** `code`: the item is listed with it. `equal`: nothing is listed, and what comes down is what went up. */
export type Outcome =
  | { readonly kind: 'equal' }
  | { readonly kind: 'listed'; readonly code: string; readonly detail?: RegExp };

export interface Oddity {
  readonly name: string;
  readonly outcome: Outcome;
  readonly isPosixOnly?: boolean;
  make(dataset: OddDataset): void;
  /** What `compareDatasets` does not see. */
  check?(source: OddDataset, target: OddDataset): void;
}

interface Location {
  uid: string;
  location: string;
  [key: string]: unknown;
}

interface Body {
  base: { id: string };
  document_class: { class_name: string };
  depends_on?: unknown;
  files?: { file_list: string[]; file_info: { name: string; locations: Location[] }[] };
  [key: string]: unknown;
}

const BOOKKEEPING = /^(?:session|dataset)/;

/** A dataset that is changed as another program would change it. */
export class OddDataset {
  readonly dir: string;
  /** The first document with a binary, and one without, on which nothing stands. */
  readonly withFile: string;
  readonly otherWithFile: string;
  readonly plain: string;

  constructor(dir: string) {
    this.dir = dir;
    const rows = this.#query('SELECT doc_id AS id, json_code AS text FROM docs ORDER BY doc_idx', []);
    const documents = rows.map(({ id, text }) => ({ id: String(id), text: String(text) }));
    const ofClass = ({ text }: { text: string }): string => /"class_name":\s*"([^"]*)"/.exec(text)?.[1] ?? '';
    const isPlain = (one: { id: string; text: string }): boolean =>
      !BOOKKEEPING.test(ofClass(one)) &&
      !one.text.includes('"file_info"') &&
      !documents.some((other) => other.id !== one.id && other.text.includes(one.id));
    const withFiles = documents.filter(({ text }) => text.includes('"file_info"'));
    this.withFile = withFiles[0]?.id ?? '';
    this.otherWithFile = withFiles[1]?.id ?? '';
    this.plain = documents.find(isPlain)?.id ?? '';
  }

  /** The stored bytes of a document, whatever their encoding. */
  bytes(id: string): Buffer {
    const [row] = this.#query('SELECT CAST(json_code AS BLOB) AS bytes FROM docs WHERE doc_id = ?', [id]);
    return Buffer.from((row?.bytes ?? []) as Uint8Array);
  }
  body(id: string): Body {
    return JSON.parse(this.bytes(id).toString('utf8')) as Body;
  }
  write(id: string, text: string | Buffer): void {
    const sql = 'UPDATE docs SET json_code = CAST(? AS TEXT) WHERE doc_id = ?';
    this.#query(sql, [typeof text === 'string' ? Buffer.from(text) : text, id]);
  }
  /** Changes the document with a binary. */
  change(edit: (body: Body, location: Location) => void): void {
    const body = this.body(this.withFile);
    edit(body, body.files!.file_info[0]!.locations[0]!);
    this.write(this.withFile, JSON.stringify(body));
  }
  /** Adds a member to the document without a binary; its value is written as it is given. */
  addRaw(name: string, value: string | Buffer): void {
    const text = this.bytes(this.plain).toString('utf8').trimEnd().slice(0, -1);
    const parts = [Buffer.from(`${text},${JSON.stringify(name)}:`), Buffer.from(value), Buffer.from('}')];
    this.write(this.plain, Buffer.concat(parts));
  }
  location(): Location {
    return this.body(this.withFile).files!.file_info[0]!.locations[0]!;
  }
  /**
   * Takes the binary away under all its names and lets its only location lead to where it was. Returns that
   * path.
   */
  withoutBinary(): string {
    const { uid } = this.location();
    const path = uidPath(this.dir, uid);
    const before = readFileSync(path);
    for (const name of readdirSync(filesDir(this.dir))) {
      const other = join(filesDir(this.dir), name);
      if (readFileSync(other).equals(before)) rmSync(other);
    }
    this.change((_, location) => {
      location.location = path;
    });
    return path;
  }

  #query(sql: string, values: (string | Buffer)[]): Record<string, unknown>[] {
    const database = new DatabaseSync(databasePath(this.dir));
    try {
      return database.prepare(sql).all(...values);
    } finally {
      database.close();
    }
  }
}

const equal: Outcome = { kind: 'equal' };
const listed = (code: string, detail?: RegExp): Outcome => ({
  kind: 'listed',
  code,
  ...(detail && { detail }),
});

const instead = (make: (path: string) => void) => (dataset: OddDataset) => make(dataset.withoutBinary());
const leadingTo = (location: string) => (dataset: OddDataset) => {
  dataset.withoutBinary();
  dataset.change((_, one) => {
    one.location = location;
  });
};
const called = (name: string) => (dataset: OddDataset) =>
  dataset.change((body) => {
    body.files!.file_info[0]!.name = name;
    body.files!.file_list = [name];
  });
const sameBinary = (source: OddDataset, target: OddDataset): void => {
  const { uid } = source.location();
  if (!readFileSync(uidPath(source.dir, uid)).equals(readFileSync(uidPath(target.dir, uid))))
    throw new Error('The binary differs.');
};
const holds = (text: string) => (_: OddDataset, target: OddDataset) => {
  const found = target.bytes(target.plain).toString('utf8');
  if (!found.includes(text)) throw new Error(`${text} is not in ${found}`);
};

const AUTHORS_URL = 'https://data.example.org/recording.bin?token=abc&sig=1';

export const ODDITIES: readonly Oddity[] = [
  {
    name: 'a binary that is a link to itself',
    isPosixOnly: true,
    make: instead((path) => symlinkSync(path, path)),
    outcome: listed('NDI_E_FILE_MISSING', /ELOOP/),
  },
  {
    name: 'a binary that is a link to nowhere',
    isPosixOnly: true,
    make: instead((path) => symlinkSync('gone', path)),
    outcome: listed('NDI_E_FILE_MISSING', /no file of this uid/),
  },
  {
    name: 'a binary that is a link to a device',
    isPosixOnly: true,
    make: instead((path) => symlinkSync('/dev/zero', path)),
    outcome: listed('NDI_E_FILE_MISSING', /is no file/),
  },
  {
    name: 'a binary that is a pipe',
    isPosixOnly: true,
    make: instead((path) => void execFileSync('mkfifo', [path])),
    outcome: listed('NDI_E_FILE_MISSING', /is no file/),
  },
  {
    name: 'a binary that is a folder',
    make: instead((path) => void mkdirSync(path)),
    outcome: listed('NDI_E_FILE_MISSING', /is no file/),
  },
  {
    name: 'a file name with a slash',
    make: called('raw/trace 1.bin'),
    outcome: equal,
    check: sameBinary,
  },
  {
    name: 'a file name that leads out of the folder',
    make: called('../../../evil.bin'),
    outcome: equal,
    check: sameBinary,
  },
  {
    name: 'a file name of 234 bytes',
    make: called(`${'n'.repeat(230)}.bin`),
    outcome: equal,
    check: sameBinary,
  },
  {
    name: 'a file at two locations',
    make: (dataset) => {
      const elsewhere = join(dataset.dir, 'elsewhere.bin');
      writeFileSync(elsewhere, 'the second place');
      dataset.change((body, location) => {
        const second = { ...location, uid: '', location: elsewhere, location_type: 'file' };
        body.files!.file_info[0]!.locations.push(second);
      });
    },
    outcome: equal,
    check: (source, target) => {
      sameBinary(source, target);
      const { locations } = target.body(target.withFile).files!.file_info[0]!;
      if (locations.length !== 2) throw new Error(`${locations.length} locations`);
    },
  },
  {
    name: 'a file behind its author’s URL with a token',
    make: (dataset) => {
      dataset.withoutBinary();
      dataset.change((_, location) =>
        Object.assign(location, { location: AUTHORS_URL, location_type: 'url', ingest: 0 }),
      );
    },
    outcome: equal,
    check: (_, target) => {
      const { location } = target.location();
      if (location !== AUTHORS_URL) throw new Error(location);
    },
  },
  {
    name: 'one uid for two binaries',
    make: (dataset) => {
      // As older Python leaves them: each under its document's id and name.
      const { uid } = dataset.location();
      const other = dataset.body(dataset.otherWithFile);
      const place = other.files!.file_info[0]!.locations[0]!;
      for (const name of [uid, place.uid]) rmSync(uidPath(dataset.dir, name));
      writeFileSync(documentFilePath(dataset.dir, other.base.id, other.files!.file_info[0]!.name), 'other');
      Object.assign(place, { uid, location: '' });
      dataset.write(dataset.otherWithFile, JSON.stringify(other));
    },
    outcome: listed('NDI_E_UID_TWICE', /and other bytes/),
  },
  {
    name: 'a location with a NUL',
    make: leadingTo('/data/a\0b.bin'),
    outcome: listed('NDI_E_FILE_MISSING', /ERR_INVALID_ARG_VALUE/),
  },
  {
    name: 'a location of 300 characters',
    isPosixOnly: true,
    make: leadingTo(`/data/${'x'.repeat(300)}`),
    outcome: listed('NDI_E_FILE_MISSING'),
  },
  {
    name: 'a document with a byte order mark',
    make: (dataset) => dataset.write(dataset.plain, `\ufeff${dataset.bytes(dataset.plain)}`),
    outcome: equal,
  },
  {
    name: 'a document with a bare Inf',
    make: (dataset) => dataset.addRaw('extra', '{"gain": Inf, "loss": -Inf}'),
    outcome: equal,
    check: holds('"gain":Infinity,"loss":-Infinity'),
  },
  {
    name: 'a document that is not UTF-8',
    make: (dataset) => dataset.addRaw('extra', Buffer.from('{"unit": "\xb5V"}', 'latin1')),
    outcome: listed('NDI_E_BAD_JSON', /UTF-8/),
  },
  {
    name: 'a document with more digits than a double',
    make: (dataset) => dataset.addRaw('extra', '{"gain": 1.10, "ratio": 0.12345678901234567890123}'),
    outcome: equal,
  },
  // The cloud keeps numbers as doubles (contract §4.3): what it rounds is named.
  {
    name: 'a document with an integer that no double holds',
    make: (dataset) => dataset.addRaw('extra', '{"big": 9007199254740993}'),
    outcome: listed('NDI_E_CHANGED_BY_CLOUD', /9007199254740993 here/),
  },
  {
    name: 'a document with a number that no double reaches',
    make: (dataset) => dataset.addRaw('extra', '{"huge": 1e400}'),
    outcome: listed('NDI_E_CHANGED_BY_CLOUD', /1e400/),
  },
  {
    name: 'a document of 5,000 levels',
    make: (dataset) => dataset.addRaw('extra', '['.repeat(5_000) + ']'.repeat(5_000)),
    outcome: listed('NDI_E_BAD_JSON', /levels/),
  },
  {
    name: 'a document without text',
    make: (dataset) => dataset.write(dataset.plain, ''),
    outcome: listed('NDI_E_BAD_JSON'),
  },
];
