/**
 * The contents of a new sandbox: the users that tests need and the public datasets that the live suites of
 * the existing clients read by fixed ids (NDI Cloud contract §9.2). Ids are fixed, so that a script may name
 * them.
 */
import { addToCount, indexBody, insertDocument } from './cloud/document-record.ts';
import { fileArrived } from './cloud/files.ts';
import type { Cloud } from './cloud/http.ts';
import { insertDataset } from './cloud/organizations.ts';

const ORGANIZATIONS = {
  lab: '6500000000000000000000a1',
  second: '6500000000000000000000a2',
  reading: '6500000000000000000000a3',
  curation: '6500000000000000000000a4',
} as const;

export const SEED_DATASETS = {
  /** The larger one; more documents than the smaller, as a live test wants it. */
  large: '682e7772cdf3f24938176fac',
  small: '668b0539f13096e04f1feccd',
} as const;

/** Local test accounts: their passwords are no secrets, the sandbox prints them. */
const USERS = [
  { n: 1, email: 'lab@sandbox.test', name: 'Lab Member', password: 'lab-sandbox-1', admin: 0, of: ['lab'] },
  {
    n: 2,
    email: 'admin@sandbox.test',
    name: 'Ada Admin',
    password: 'admin-sandbox-2',
    admin: 1,
    of: ['curation', 'lab'],
  },
  {
    n: 3,
    email: 'second@sandbox.test',
    name: 'Second Lab',
    password: 'second-sandbox-3',
    admin: 0,
    of: ['second'],
  },
  {
    n: 4,
    email: 'reader@sandbox.test',
    name: 'Rita Reader',
    password: 'reader-sandbox-4',
    admin: 0,
    of: ['reading'],
  },
  {
    n: 5,
    email: 'both@sandbox.test',
    name: 'Bo Both',
    password: 'both-sandbox-5',
    admin: 0,
    of: ['second', 'lab'],
  },
] as const;

/** Fills an empty store; does nothing to one that was seeded before. */
export function seedCloud(cloud: Cloud): void {
  const { store } = cloud;
  if (store.setting('seeded') !== undefined) return;
  store.transaction(() => {
    const names = {
      lab: 'Sandbox Lab',
      second: 'Second Lab',
      reading: 'Reading Room',
      curation: 'NDI Curation',
    };
    for (const [key, id] of Object.entries(ORGANIZATIONS)) {
      const name = names[key as keyof typeof names];
      store.run(
        'INSERT OR IGNORE INTO organizations VALUES (?,?,?,?)',
        id,
        name,
        key === 'reading' ? 0 : 1,
        cloud.now(),
      );
    }
    for (const user of USERS) {
      const id = `6500000000000000000000b${user.n}`;
      const insert =
        'INSERT OR IGNORE INTO users (id, email, name, password, is_admin, created_ms) VALUES (?,?,?,?,?,?)';
      store.run(insert, id, user.email, user.name, user.password, user.admin, cloud.now());
      for (const [position, key] of user.of.entries()) {
        store.run('INSERT OR IGNORE INTO memberships VALUES (?,?,?)', id, ORGANIZATIONS[key], position);
      }
    }
  });
  seedDataset(cloud, SEED_DATASETS.small, 'Dataset: Recordings from a carbon fibre array', 6);
  seedDataset(cloud, SEED_DATASETS.large, 'Dataset: Foraging decisions in C. elegans', 20);
  store.setSetting('seeded', 'yes');
}

const METADATA = {
  branchName: 'main',
  abstract: 'A small stand-in for a public dataset, made by the sandbox.',
  contributors: [{ firstName: 'Sam', lastName: 'Sandbox', orcid: '0000-0002-1825-0097', contact: 'false' }],
  correspondingAuthors: [{ firstName: 'Sam', lastName: 'Sandbox', orcid: '0000-0002-1825-0097' }],
  funding: [{ source: 'Sandbox Foundation' }],
  license: 'CC-BY-4.0',
  species: 'Caenorhabditis elegans',
  numberOfSubjects: 3,
};

/** NDI ids are 33 characters: 16 hex digits, `_`, 16 hex digits. */
const ndiId = (dataset: string, n: number): string =>
  `${dataset.slice(0, 8)}${n.toString(16).padStart(8, '0')}_${'40c0'.padEnd(16, '0')}`;

const DATESTAMP = '2025-05-22T01:01:38.906Z';

function body(
  className: string,
  folder: string,
  schema: string,
  id: string,
  session: string,
  name: string,
  group: object,
) {
  return {
    document_class: {
      definition: `$NDIDOCUMENTPATH/${folder}${className}.json`,
      validation: `$NDISCHEMAPATH/${folder}${schema}.json`,
      class_name: className,
      property_list_name: className,
      class_version: 1,
      superclasses: [{ definition: '$NDIDOCUMENTPATH/base.json' }],
    },
    base: { id, session_id: session, name, datestamp: DATESTAMP },
    [className]: group,
  };
}

function seedDataset(cloud: Cloud, id: string, name: string, subjects: number): void {
  const { store } = cloud;
  store.run('DELETE FROM bodies WHERE seq IN (SELECT seq FROM documents WHERE dataset_id=?)', id);
  for (const table of ['documents', 'files']) store.run(`DELETE FROM ${table} WHERE dataset_id=?`, id);
  store.run('DELETE FROM datasets WHERE id=?', id);
  insertDataset(
    cloud,
    ORGANIZATIONS.curation,
    { ...METADATA, name, doi: `10.63884/ndic.2025.sand${id.slice(0, 4)}` },
    { id },
  );
  const session = ndiId(id, 1);
  const bodies: Record<string, unknown>[] = [
    {
      ...body('session', '', 'session', ndiId(id, 2), session, '', {
        reference: `sandbox_${id.slice(0, 4)}`,
      }),
      depends_on: [],
    },
  ];
  for (let i = 0; i < subjects; i++) {
    const subject = ndiId(id, 100 + i);
    const description = `subject ${i}`;
    const local = { local_identifier: `animal${i}@sandbox.test`, description };
    bodies.push(body('subject', '', 'subject_schema', subject, session, '', local));
    const uid = ndiId(id, 1000 + i);
    const value = new Float64Array(1024).map((_, k) => Math.sin(k / (i + 1)));
    const bytes = new Uint8Array(value.buffer);
    bodies.push(demo(ndiId(id, 200 + i), session, uid, i));
    const stored = cloud.bucket.putSmall(`${id}/${uid}`, bytes, 'application/octet-stream');
    fileArrived(cloud, id, uid, stored, cloud.now());
  }
  store.transaction(() => {
    for (const document of bodies) insertDocument(store, id, indexBody(document), cloud.now());
    addToCount(cloud, id, bodies.length);
    store.run(
      'UPDATE datasets SET is_published=1, is_submitted=1, uploaded_ms=? WHERE id=?',
      cloud.now(),
      id,
    );
  });
}

/** A document with one binary, as MATLAB writes it. */
function demo(id: string, session: string, uid: string, value: number): Record<string, unknown> {
  const location = {
    delete_original: 1,
    uid,
    location: `files/${uid}`,
    parameters: '',
    location_type: 'file',
    ingest: 1,
  };
  return {
    ...body('demoNDI', '', 'demoNDI_schema', id, session, `doc${value}`, { value }),
    files: { file_list: ['filename1.ext'], file_info: [{ name: 'filename1.ext', locations: [location] }] },
  };
}
