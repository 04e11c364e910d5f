/** The documents of a synthetic dataset, one after another; each depends only on earlier ones. */
import { CourierError } from '../../errors/index.ts';
import { trackingDocument } from '../dataset/finish.ts';
import { type ClassName, type NewDocument, newDocument } from '../document/classes.ts';
import type { NdiDocument, NdiId } from '../document/types.ts';

export interface SyntheticOptions {
  /** All documents, bookkeeping included; at least 30. */
  readonly documents: number;
  /** How many of them have a binary. */
  readonly files: number;
  /** Mean size; sizes go from half to one and a half of it. */
  readonly fileBytes: number;
  /** The first binary has this size instead. */
  readonly bigFileBytes?: number;
  readonly seed?: number;
  /** The client whose directory it looks like; this project writes `both`. */
  readonly style?: 'matlab' | 'python' | 'both';
}

export interface PlannedFile {
  readonly documentId: NdiId;
  readonly name: string;
  readonly uid: string;
  readonly sizeBytes: number;
}

export interface SyntheticDocument {
  readonly document: NdiDocument;
  readonly file?: PlannedFile;
}

const START = Date.UTC(2024, 2, 1, 9);
const MEMBERS = ['plate_A', 'plate_B'] as const;
const BOOKKEEPING_DOCUMENTS = 1 + 2 * MEMBERS.length;
const MIN_DOCUMENTS = 30;

/** Documents without a binary, in the proportions of the Haley dataset; one full turn holds every class. */
const TURN: readonly ClassName[] = [
  'subject',
  'openminds_subject',
  'element',
  'ontologyTableRow',
  'ontologyLabel',
  'ontologyTableRow',
  'position_metadata',
  'ontologyTableRow',
  'openminds_subject',
  'ontologyTableRow',
  'treatment',
  'ontologyTableRow',
  'distance_metadata',
  'ontologyTableRow',
  'stimulus_bath',
  'ontologyTableRow',
  'ontologyLabel',
  'ontologyTableRow',
  'openminds_subject',
  'probe_location',
  'ontologyTableRow',
  'element',
  'ontologyTableRow',
  'epochfiles_ingested',
];
const FILE_CLASSES: readonly ClassName[] = [
  'imageStack',
  'element_epoch',
  'imageStack',
  'element_epoch',
  'generic_file',
  'demoNDI',
];

/** `documents` documents, `files` of them with a binary. @throws NDI_E_USAGE when that cannot be done */
export function* syntheticDocuments(
  seed: number,
  options: SyntheticOptions,
  place: (file: PlannedFile) => string,
): Generator<SyntheticDocument> {
  const { documents, files } = options;
  if (documents < MIN_DOCUMENTS || files > documents - MIN_DOCUMENTS / 2) {
    throw new CourierError('NDI_E_USAGE', {
      detail: `A synthetic dataset needs ${MIN_DOCUMENTS} documents and 15 more documents than files.`,
    });
  }
  const ids = idSource(seed);
  const datasetId = ids.next();
  const members = MEMBERS.map((reference) => ({ reference, sessionId: ids.next() }));
  yield* bookkeeping(ids, datasetId, members);

  const total = documents - BOOKKEEPING_DOCUMENTS;
  const latest = new Map<ClassName, NdiId>();
  let plain = 0;
  let made = 0;
  for (let index = 0; index < total; index += 1) {
    // One turn without binaries first, so that everything has something to depend on.
    const due = Math.floor(((index + 1) * files) / total);
    const withFile = made < files && (made < due || total - index <= files - made) && latest.has('element');
    const className = withFile ? FILE_CLASSES[made % FILE_CLASSES.length]! : TURN[plain % TURN.length]!;
    const sessionId = members[index % members.length]!.sessionId;
    const id = ids.next();
    const content = CONTENT[className]?.(index, latest) ?? {};
    const file = withFile ? planFile(options, made, id, FILE_NAMES[className] ?? '', ids.next()) : undefined;
    latest.set(className, id);
    if (withFile) made += 1;
    else plain += 1;
    const document = newDocument(className, {
      id,
      sessionId,
      createdAt: START + index * 1_000,
      ...content,
      ...(file === undefined ? {} : { files: [{ name: file.name, uid: file.uid, location: place(file) }] }),
    });
    yield file === undefined ? { document } : { document, file };
  }
}

const FILE_NAMES: Partial<Record<ClassName, string>> = {
  imageStack: 'imageStack',
  element_epoch: 'epoch_binary_data.vhsb',
  generic_file: 'generic_file.ext',
  demoNDI: 'filename1.ext',
};

function* bookkeeping(
  ids: IdSource,
  datasetId: NdiId,
  members: readonly { readonly reference: string; readonly sessionId: NdiId }[],
): Generator<SyntheticDocument> {
  const session = (sessionId: NdiId, reference: string): SyntheticDocument => ({
    document: newDocument('session', {
      id: ids.next(),
      sessionId,
      createdAt: START,
      values: { session: { reference } },
    }),
  });
  yield session(datasetId, 'synthetic_worms');
  for (const { reference, sessionId } of members) {
    yield session(sessionId, reference);
    yield {
      document: trackingDocument(datasetId, sessionId, reference, { id: ids.next(), createdAt: START }),
    };
  }
}

/** Pairs of sizes add up to twice the mean, so the total is known beforehand. */
function planFile(
  options: SyntheticOptions,
  made: number,
  documentId: NdiId,
  name: string,
  uid: string,
): PlannedFile {
  const spread = (((made >> 1) % 50) / 100) * options.fileBytes;
  const varied = Math.round(made % 2 === 0 ? options.fileBytes - spread : options.fileBytes + spread);
  const sizeBytes = made === 0 && options.bigFileBytes !== undefined ? options.bigFileBytes : varied;
  return { documentId, name, uid, sizeBytes };
}

interface IdSource {
  next(): NdiId;
}

/** NDI ids in MATLAB's form that rise with each call and depend on the seed alone. */
function idSource(seed: number): IdSource {
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n;
  let count = 0;
  const time = Buffer.alloc(8);
  const mask = (1n << 64n) - 1n;
  return {
    next: () => {
      count += 1;
      time.writeDoubleBE(739_000 + seed / 1_000 + count / 86_400_000);
      state = (state + 0x9e3779b97f4a7c15n) & mask;
      let mixed = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
      mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask;
      return `${time.toString('hex')}_${(mixed ^ (mixed >> 31n)).toString(16).padStart(16, '0')}`;
    },
  };
}

type Content = Pick<NewDocument, 'name' | 'values' | 'dependsOn'>;
type Latest = ReadonlyMap<ClassName, NdiId>;

/** One dependency of the class, on the latest document of another. */
const on = (latest: Latest, name: string, className: ClassName): Record<string, NdiId> => ({
  [name]: latest.get(className) ?? '',
});

const CONTENT: Partial<Record<ClassName, (index: number, latest: Latest) => Content>> = {
  subject: (index) => ({
    values: {
      subject: {
        local_identifier: `N2_${index}@lab.edu`,
        description: index % 3 === 0 ? 'élevé à 20 °C – 線虫 🪱' : '',
      },
    },
  }),
  openminds_subject: (index, latest) => ({
    dependsOn: on(latest, 'subject_id', 'subject'),
    values: {
      openminds: {
        openminds_type: 'https://openminds.om-i.org/types/Species',
        matlab_type: 'openminds.controlledterms.Species',
        openminds_id: `_:b${index}`,
        fields: {
          name: 'Caenorhabditis elegans',
          preferredOntologyIdentifier: 'NCBITaxon:6239',
          synonym: [],
        },
      },
    },
  }),
  element: (index, latest) => ({
    dependsOn: on(latest, 'subject_id', 'subject'),
    values: {
      element: {
        ndi_element_class: 'ndi.element.timeseries',
        name: `N2_${index}_midpoint`,
        reference: 1,
        type: 'position',
        direct: 0,
      },
    },
  }),
  element_epoch: (index, latest) => ({
    dependsOn: on(latest, 'element_id', 'element'),
    values: {
      epochid: { epochid: `N2_${index}_midpoint_position` },
      element_epoch: {
        epoch_clock: 'dev_local_time,exp_global_time',
        t0_t1: [
          [0, 738_000.5],
          [3_599.66 + index / 7, index % 4 === 0 ? Number.POSITIVE_INFINITY : 738_000.54],
        ],
      },
    },
  }),
  ontologyTableRow: (index, latest) => ({
    dependsOn: on(latest, 'document_id', 'subject'),
    values: {
      ontologyTableRow: {
        names: 'encounter duration,encounter onset,patch density',
        variableNames: 'encounter_duration,encounter_onset,patch_density',
        ontologyNodes: 'EMPTY:0000111,EMPTY:0000112,EMPTY:0000113',
        data: {
          encounter_duration: index / 3,
          encounter_onset: index % 5 === 0 ? Number.NaN : index,
          patch_density: [0.5, index, Number.NaN],
        },
      },
    },
  }),
  imageStack: (index, latest) => ({
    dependsOn: { ...on(latest, 'subject_id', 'subject'), ...on(latest, 'document_id', 'ontologyTableRow') },
    values: {
      imageStack: { label: `video ${index}`, formatOntology: 'NCIT:C190180' },
      imageStack_parameters: {
        dimension_order: 'YXT',
        dimension_labels: 'height,width,time',
        dimension_size: [1024, 1024, 10_800],
        dimension_scale: [28.1, 28.1, 0.33],
        dimension_scale_units: 'micrometer,micrometer,second',
        data_type: 'uint8',
        data_limits: [0, 255],
        timestamp: 738_000.5 + index,
        clocktype: 'exp_global_time',
      },
    },
  }),
  ontologyLabel: (index, latest) => ({
    dependsOn: on(latest, 'document_id', latest.has('imageStack') ? 'imageStack' : 'ontologyTableRow'),
    values: { ontologyLabel: { ontologyNode: `EMPTY:${String(index % 1_000).padStart(7, '0')}` } },
  }),
  position_metadata: (_index, latest) => ({
    dependsOn: on(latest, 'element_id', 'element'),
    values: {
      position_metadata: {
        ontologyNode: 'EMPTY:0000116',
        dimensions: 'NCIT:C44477,NCIT:C44478',
        units: 'NCIT:C48367',
      },
    },
  }),
  distance_metadata: (_index, latest) => ({
    dependsOn: on(latest, 'element_id', 'element'),
    values: {
      distance_metadata: {
        ontologyNode_A: 'EMPTY:0000117',
        integerIDs_A: [1, 2, 3],
        ontologyNode_B: 'EMPTY:0000118',
        units: 'NCIT:C48367',
      },
    },
  }),
  treatment: (_index, latest) => ({
    dependsOn: on(latest, 'subject_id', 'subject'),
    values: {
      treatment: { ontologyName: 'EMPTY:0000079', name: 'food deprivation', string_value: 'UBERON:0001930' },
    },
  }),
  probe_location: (_index, latest) => ({
    dependsOn: on(latest, 'probe_id', 'element'),
    values: {
      probe_location: { ontology_name: 'UBERON:0001880', name: 'bed nucleus of stria terminalis (BNST)' },
    },
  }),
  stimulus_bath: (index, latest) => ({
    dependsOn: on(latest, 'stimulus_element_id', 'element'),
    values: {
      epochid: { epochid: `epoch_${index}` },
      stimulus_bath: {
        location: { ontologyNode: 'UBERON:0001880', name: 'BNST' },
        mixture_table:
          'ontologyName,name,value,ontologyUnit,unitName\nCHEBI:29108,"calcium(2+)",2,OM:MolarVolumeUnit,mM\n',
      },
    },
  }),
  epochfiles_ingested: (index) => ({
    values: {
      epochfiles_ingested: {
        epoch_id: `epoch_${index}`,
        files: [`epochid://epoch_${index}`, `/data/raw_${index}.mat`],
        epochprobemap: 'name\treference\ttype\tdevicestring\tsubjectstring\n',
      },
    },
  }),
  generic_file: (index, latest) => ({
    dependsOn: on(latest, 'document_id', 'subject'),
    values: {
      generic_file: {
        filename: `notes ${index}.csv`,
        formatOntology: 'format:3752',
        dateCreated: '2024-03-01',
      },
    },
  }),
  demoNDI: (index) => ({ name: `doc ${index}`, values: { demoNDI: { value: index } } }),
};
