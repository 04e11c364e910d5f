/**
 * The document classes that the project itself makes: bookkeeping documents, and realistic ones for the demo,
 * the benches and the tests (dataset format §9). Values have exactly the members that NDI's schemas demand.
 */
import { datestamp, newNdiId } from '../ids.ts';
import { isRawNumber } from './json-raw.ts';
import type { Dependency, JsonObject, JsonValue, NdiDocument, NdiId } from './types.ts';

interface ClassEntry {
  /** Folder of the definition, with its slash. */
  readonly folder?: string;
  /** Transitive closure, sorted; `base` only by default. */
  readonly superclasses?: readonly string[];
  /** 12 classes have a schema without the `_schema` suffix. */
  readonly bareSchema?: true;
  readonly dependsOn?: readonly string[];
  /** Names in `file_list`. */
  readonly files?: readonly string[];
  /** Default values per group; the class's own group and those of its superclasses. */
  readonly groups: Readonly<Record<string, JsonObject>>;
}

const epochid = { epochid: { epochid: '' } };
const CREATOR = {
  session_creator: 'ndi.session.dir',
  session_creator_input1: '',
  session_creator_input2: '',
  session_creator_input3: '',
  session_creator_input4: '',
  session_creator_input5: '',
  session_creator_input6: '',
};
const openminds = { openminds_type: '', matlab_type: '', openminds_id: '', fields: {} };

export const CLASSES = {
  base: { superclasses: [], groups: {} },
  session: { bareSchema: true, dependsOn: [], groups: { session: { reference: '' } } },
  session_in_a_dataset: {
    dependsOn: [],
    groups: { session_in_a_dataset: { session_id: '', session_reference: '', is_linked: 0, ...CREATOR } },
  },
  dataset_session_info: { bareSchema: true, groups: { dataset_session_info: { dataset_session_info: [] } } },
  dataset_remote: { bareSchema: true, groups: { dataset_remote: { dataset_id: '', organization_id: '' } } },
  metadata_editor: { groups: { metadata_editor: { metadata_structure: {} } } },
  subject: { groups: { subject: { local_identifier: '', description: '' } } },
  subject_group: { dependsOn: ['subject_id'], groups: { subject_group: {} } },
  openminds: { folder: 'metadata/', bareSchema: true, dependsOn: ['openminds'], groups: { openminds } },
  openminds_subject: {
    folder: 'metadata/',
    bareSchema: true,
    superclasses: ['base', 'openminds'],
    dependsOn: ['subject_id', 'openminds'],
    groups: { openminds, openminds_subject: {} },
  },
  openminds_stimulus: {
    folder: 'metadata/',
    bareSchema: true,
    superclasses: ['base', 'epochid', 'openminds'],
    dependsOn: ['stimulus_element_id', 'openminds'],
    groups: { ...epochid, openminds, openminds_stimulus: {} },
  },
  element: {
    dependsOn: ['underlying_element_id', 'subject_id'],
    groups: { element: { ndi_element_class: '', name: '', reference: 1, type: '', direct: 1 } },
  },
  element_epoch: {
    superclasses: ['base', 'epochid'],
    dependsOn: ['element_id'],
    files: ['epoch_binary_data.vhsb'],
    groups: { ...epochid, element_epoch: { epoch_clock: '', t0_t1: [] } },
  },
  daqsystem: {
    folder: 'daq/',
    dependsOn: ['filenavigator_id', 'daqreader_id', 'daqmetadatareader_id_1'],
    groups: { daqsystem: { ndi_daqsystem_class: '' } },
  },
  filenavigator: {
    folder: 'daq/',
    groups: {
      filenavigator: {
        ndi_filenavigator_class: '',
        fileparameters: '',
        epochprobemap_class: '',
        epochprobemap_fileparameters: '',
      },
    },
  },
  daqreader: { folder: 'daq/', groups: { daqreader: { ndi_daqreader_class: '' } } },
  epochfiles_ingested: {
    folder: 'ingestion/',
    dependsOn: ['filenavigator_id'],
    groups: { epochfiles_ingested: { epoch_id: '', files: [], epochprobemap: '' } },
  },
  daqreader_mfdaq_epochdata_ingested: {
    folder: 'ingestion/',
    superclasses: ['base', 'daqreader_epochdata_ingested', 'epochid'],
    dependsOn: ['daqreader_id'],
    files: ['channel_list.bin', 'ai_group1_seg.nbf_#', 'di_group1_seg.nbf_#'],
    groups: {
      ...epochid,
      daqreader_epochdata_ingested: { epochtable: { epochclock: [], t0_t1: [] } },
      daqreader_mfdaq_epochdata_ingested: {
        parameters: { sample_analog_segment: 1_000_000, sample_digital_segment: 10_000_000 },
      },
    },
  },
  ontologyTableRow: {
    folder: 'data/',
    dependsOn: ['document_id'],
    groups: { ontologyTableRow: { names: '', variableNames: '', ontologyNodes: '', data: {} } },
  },
  imageStack: {
    folder: 'data/',
    superclasses: ['base', 'imageStack_parameters'],
    dependsOn: ['subject_id', 'document_id'],
    files: ['imageStack'],
    groups: {
      imageStack: { label: '', formatOntology: '' },
      imageStack_parameters: {
        dimension_order: '',
        dimension_labels: '',
        dimension_size: [],
        dimension_scale: [],
        dimension_scale_units: '',
        data_type: '',
        data_limits: [],
        timestamp: 0,
        clocktype: '',
      },
    },
  },
  ontologyLabel: {
    folder: 'data/',
    dependsOn: ['document_id'],
    groups: { ontologyLabel: { ontologyNode: '' } },
  },
  position_metadata: {
    folder: 'element/',
    dependsOn: ['element_id'],
    groups: { position_metadata: { ontologyNode: '', dimensions: '', units: '' } },
  },
  distance_metadata: {
    folder: 'element/',
    dependsOn: ['element_id'],
    groups: {
      distance_metadata: {
        ontologyNode_A: '',
        integerIDs_A: [],
        ontologyNumericValues_A: [],
        ontologyStringValues_A: '',
        ontologyNode_B: '',
        integerIDs_B: [],
        ontologyNumericValues_B: [],
        ontologyStringValues_B: '',
        units: '',
      },
    },
  },
  treatment: {
    dependsOn: ['subject_id', 'manipulation_id', 'protocol_id'],
    groups: { treatment: { ontologyName: '', name: '', numeric_value: [], string_value: '' } },
  },
  probe_location: {
    folder: 'probe/',
    dependsOn: ['probe_id'],
    groups: { probe_location: { ontology_name: '', name: '' } },
  },
  stimulus_bath: {
    folder: 'stimulus/',
    superclasses: ['base', 'epochid'],
    dependsOn: ['stimulus_element_id'],
    groups: { ...epochid, stimulus_bath: { location: { ontologyNode: '', name: '' }, mixture_table: '' } },
  },
  stimulus_presentation: {
    folder: 'stimulus/',
    superclasses: ['base', 'epochid'],
    dependsOn: ['stimulus_element_id'],
    files: ['presentation_time.bin'],
    groups: {
      ...epochid,
      stimulus_presentation: { presentation_order: [], presentation_time: {}, stimuli: [] },
    },
  },
  generic_file: {
    folder: 'data/',
    dependsOn: ['document_id'],
    files: ['generic_file.ext'],
    groups: {
      generic_file: { filename: '', formatOntology: '', dateCreated: '', dateUpdated: '', checksum: '' },
    },
  },
  demoNDI: { files: ['filename1.ext'], groups: { demoNDI: { value: 0 } } },
} as const satisfies Readonly<Record<string, ClassEntry>>;

export type ClassName = keyof typeof CLASSES;

/** Folders of superclasses that are not documents of their own here. */
const ABSTRACT_FOLDERS: Readonly<Record<string, string>> = {
  daqreader_epochdata_ingested: 'ingestion/',
  imageStack_parameters: 'data/',
};

function folderOf(name: string): string {
  const entry: ClassEntry | undefined = (CLASSES as Readonly<Record<string, ClassEntry>>)[name];
  return entry?.folder ?? ABSTRACT_FOLDERS[name] ?? '';
}

export interface NewFile {
  readonly name: string;
  readonly uid: string;
  /** Where the binary is; `.ndi/files/<uid>` of the finished dataset is a good answer. */
  readonly location: string;
}

export interface NewDocument {
  readonly sessionId: NdiId;
  readonly id?: NdiId;
  readonly name?: string;
  readonly createdAt?: Date | number;
  /** Members per group, over the class's defaults: `{ subject: { local_identifier: 'a@b' } }`. */
  readonly values?: Readonly<Record<string, JsonObject>>;
  /** Values of the class's dependencies, and any others. Not named: empty. */
  readonly dependsOn?: Readonly<Record<string, NdiId>>;
  readonly files?: readonly NewFile[];
}

/** A valid document of a known class, in the shape of the format's §6 example. */
export function newDocument(className: ClassName, options: NewDocument): NdiDocument {
  const entry: ClassEntry = CLASSES[className];
  const folder = entry.folder ?? '';
  const suffix = entry.bareSchema === true ? '' : '_schema';
  const createdAt = options.createdAt ?? Date.now();
  const dependsOn = dependencies(entry, options.dependsOn ?? {});
  return {
    document_class: {
      definition: definitionOf(className),
      validation: `$NDISCHEMAPATH/${folder}${className}${suffix}.json`,
      class_name: className,
      property_list_name: className,
      class_version: 1,
      superclasses: (entry.superclasses ?? ['base']).map((name) => ({ definition: definitionOf(name) })),
    },
    ...(entry.dependsOn !== undefined || dependsOn.length > 0
      ? { depends_on: dependsOn.map(({ name, value }) => ({ name, value })) }
      : {}),
    base: {
      id: options.id ?? newNdiId(createdAt),
      session_id: options.sessionId,
      name: options.name ?? '',
      datestamp: datestamp(createdAt),
    },
    ...groupsOf(entry, options.values ?? {}),
    ...(entry.files === undefined ? {} : { files: filesOf(entry.files, options.files ?? []) }),
  };
}

const definitionOf = (name: string): string => `$NDIDOCUMENTPATH/${folderOf(name)}${name}.json`;

function dependencies(entry: ClassEntry, given: Readonly<Record<string, NdiId>>): Dependency[] {
  const declared = entry.dependsOn ?? [];
  const extra = Object.keys(given).filter((name) => !declared.includes(name));
  return [...declared, ...extra].map((name) => ({ name, value: given[name] ?? '' }));
}

function groupsOf(entry: ClassEntry, values: Readonly<Record<string, JsonObject>>): JsonObject {
  const groups: JsonObject = {};
  for (const group of new Set([...Object.keys(entry.groups), ...Object.keys(values)])) {
    // A copy: a caller may change what it got.
    groups[group] = copyOf({ ...entry.groups[group], ...values[group] });
  }
  return groups;
}

function copyOf(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copyOf(member)]));
}

function filesOf(names: readonly string[], files: readonly NewFile[]): JsonObject {
  return {
    file_list: [...names],
    file_info: files.map((file) => ({
      name: file.name,
      locations: [
        {
          delete_original: 0,
          uid: file.uid,
          location: file.location,
          parameters: '',
          location_type: 'file',
          ingest: 1,
        },
      ],
    })),
  };
}
