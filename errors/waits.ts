/**
 * Every state that a run can wait in, once: a stable code, a sentence, and the next step. Where an error says
 * why a run waits, its own sentence is shown instead. `docs/errors.md` lists this table.
 */

export interface WaitEntry {
  readonly code: string;
  readonly sentence: string;
  readonly nextStep: string;
}

export const WAITS = {
  paused: {
    code: 'PAUSED',
    sentence: 'The run is paused.',
    nextStep: 'Go on with `ndi-courier runs resume`.',
  },
  login: {
    code: 'NDI_E_LOGIN_EXPIRED',
    sentence: 'The run waits for a login.',
    nextStep: 'Run `ndi-courier login`; waiting runs go on by themselves.',
  },
  person: {
    code: 'PERSON',
    sentence: 'The run waits for a person.',
    nextStep: 'Run `ndi-courier up`; then `ndi-courier runs show` tells the reason.',
  },
  dataset: {
    code: 'NDI_E_DATASET_IN_USE',
    sentence: 'The run waits for another run on the same dataset.',
    nextStep: 'Nothing to do: this run goes on when the other one ends.',
  },
  approval: {
    code: 'NDI_E_NEEDS_APPROVAL',
    sentence: 'The sync would delete or overwrite more than it may without being told to.',
    nextStep:
      'Look at the plan with `ndi-courier runs show`, then `ndi-courier runs approve` or `runs reject`. All else is done.',
  },
  site: {
    code: 'SITE_SILENT',
    sentence: 'The computer that holds the dataset does not take up work.',
    nextStep: 'Switch it on and run `ndi-courier up` there; the run goes on by itself.',
  },
  service: {
    code: 'NO_SERVER',
    sentence: 'The Temporal server does not answer; this is what was last known.',
    nextStep:
      'Nothing to do if it restarts; else run `ndi-courier up`. The run goes on when the server is back.',
  },
  worker: {
    code: 'NO_WORKER',
    sentence: 'No worker takes up the decisions of the run.',
    nextStep: 'Run `ndi-courier up`, or `ndi-courier worker --roles control` beside your Temporal server.',
  },
  attempt: {
    code: 'WORKER_LOST',
    sentence: 'The worker that did this fell silent.',
    nextStep: 'Nothing to do: another worker goes on from the last acknowledged unit.',
  },
} as const satisfies Record<string, WaitEntry>;

export type WaitKind = keyof typeof WAITS;
