/**
 * How a command stays with a run: draws it, lets go on Ctrl-C, stops waiting where only a person can help and
 * none is there, and ends with the one line of JSON that scripts read.
 */
import { isCourierError } from '../../errors/index.ts';
import { type Counts, NO_COUNTS, type RunResult } from '../../workflows/contracts/index.ts';
import { phaseText } from '../../workflows/operations.ts';
import type { Courier } from '../courier.ts';
import { type Progress, progressJson } from '../progress.ts';
import type { RunHandle } from '../run-handle.ts';
import { resultLines } from '../view/progress-lines.ts';
import { createView } from '../view/watch.ts';
import type { Invocation } from './command.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit.ts';
import { errorText } from './output.ts';

export interface FollowOptions {
  readonly wait: boolean;
  readonly json: boolean;
}

/** JSON lines of progress come no closer than this. */
const JSON_EVERY_MS = 1_000;

/** The last line of every command that follows a run with `--json`. The keys stay as they are. */
interface FinalLine {
  readonly workflowId: string;
  readonly runId: string;
  readonly status: string;
  readonly datasetId: string | null;
  readonly ndiDatasetId: string | null;
  readonly documents: Counts;
  readonly files: Counts;
  readonly bytes: number;
  readonly problems: RunResult['problems'];
  readonly problemCount: number;
}

/** Shows a run until it ends, or until this command has to let go. Never throws for how the run ends. */
export async function follow(
  handle: RunHandle,
  invocation: Invocation,
  options: FollowOptions,
): Promise<ExitCode> {
  const { out, signal } = invocation;
  const { workflowId, runId } = handle;
  if (!options.wait) {
    if (options.json) out.json({ workflowId, runId, status: 'running' });
    else out.print(workflowId);
    return EXIT.done;
  }
  let last: Progress | undefined;
  /** The last phase of work: the end has a phase of its own, which says nothing. */
  let lastWork: string | undefined;
  const view = createView(out.stderr);
  const emit = jsonEmitter(invocation, options.json);
  try {
    for await (const progress of handle.watch({ signal })) {
      last = explained(progress, invocation.env);
      if (progress.status === 'running') lastWork = progress.phase;
      view.show(last);
      emit(last);
      if (needsSomebody(progress) && !isAttended(invocation)) break;
    }
  } catch (error) {
    view.stop(true);
    throw error;
  }
  if (signal.aborted) {
    view.stop(true);
    return detach(handle, invocation, options, last);
  }
  if (last !== undefined && last.status === 'running') {
    view.stop(true);
    return waitForPerson(handle, invocation, options, last);
  }
  view.stop(false);
  return conclude(handle, invocation, options, last, lastWork);
}

/** The service has the environment that it was started with, which need not be that of this terminal. */
function explained(progress: Progress, env: Invocation['env']): Progress {
  const { waitingFor } = progress;
  if (waitingFor?.kind !== 'login' || !(env.NDI_CLOUD_USERNAME || env.NDI_CLOUD_TOKEN)) return progress;
  const nextStep = `${waitingFor.nextStep} The NDI_CLOUD_* variables of this terminal are not those of the service; to use them, run \`ndi-courier down\` and \`ndi-courier up\`.`;
  return { ...progress, waitingFor: { ...waitingFor, nextStep } };
}

/** A person who could answer is at the terminal; a script is not one. */
const isAttended = ({ out }: Invocation): boolean => out.stderr.isTTY === true;

const needsSomebody = ({ waitingFor }: Progress): boolean =>
  waitingFor?.kind === 'login' || waitingFor?.kind === 'person';

function jsonEmitter({ out }: Invocation, json: boolean): (progress: Progress) => void {
  let emittedAtMs = Number.NEGATIVE_INFINITY;
  return (progress) => {
    if (!json || performance.now() - emittedAtMs < JSON_EVERY_MS) return;
    emittedAtMs = performance.now();
    out.json({ event: 'progress', ...progressJson(progress) });
  };
}

function finalLine(handle: RunHandle, status: string, last: Progress | undefined): FinalLine {
  return {
    workflowId: handle.workflowId,
    runId: handle.runId,
    status,
    datasetId: last?.cloudDatasetId ?? null,
    ndiDatasetId: last?.ndiDatasetId ?? null,
    documents: NO_COUNTS,
    files: NO_COUNTS,
    ...last?.counts,
    bytes: last?.bytes.transferred ?? 0,
    problems: [],
    problemCount: last?.problemCount ?? 0,
  };
}

function detach(
  handle: RunHandle,
  { out }: Invocation,
  options: FollowOptions,
  last: Progress | undefined,
): ExitCode {
  out.note(
    `The run goes on without this terminal.\nCome back with: ndi-courier runs watch '${handle.workflowId}'`,
  );
  if (options.json) out.json(finalLine(handle, 'detached', last));
  return EXIT.detached;
}

function waitForPerson(
  handle: RunHandle,
  { out }: Invocation,
  options: FollowOptions,
  last: Progress,
): ExitCode {
  const waiting = last.waitingFor;
  out.note(
    `The run waits: ${waiting?.sentence}\n${waiting?.nextStep}\nIt goes on by itself afterwards. Come back with: ndi-courier runs watch '${handle.workflowId}'`,
  );
  if (options.json) out.json({ ...finalLine(handle, 'waiting', last), waitingFor: waiting });
  return EXIT.waiting;
}

async function conclude(
  handle: RunHandle,
  { out }: Invocation,
  options: FollowOptions,
  last: Progress | undefined,
  lastWork: string | undefined,
): Promise<ExitCode> {
  const { workflowId, runId } = handle;
  try {
    const result = await handle.result();
    if (options.json) out.json({ workflowId, runId, ...result });
    else {
      const tookMs = Date.parse(last?.closedAt ?? '') - Date.parse(last?.startedAt ?? '');
      out.print(resultLines(result, tookMs).join('\n'));
    }
    return result.status === 'done-with-leftovers' ? EXIT.leftovers : EXIT.done;
  } catch (error) {
    if (!isCourierError(error)) throw error;
    out.note(errorText(error));
    const again =
      error.class === 'permanent'
        ? 'Starting it again ends the same way until the cause is mended.'
        : 'Starting it again goes on where it stopped.';
    if (!isCourierError(error, 'NDI_E_CANCELLED') && last !== undefined) {
      out.note(
        `${lastWork === undefined ? '' : `It ended while: ${phaseText(last.operation, lastWork)}. `}${again}`,
      );
    }
    if (options.json) {
      const status = isCourierError(error, 'NDI_E_CANCELLED') ? 'cancelled' : 'failed';
      const { code, message, nextStep } = error;
      out.json({ ...finalLine(handle, status, last), error: { code, message, nextStep } });
    }
    return exitCodeOf(error);
  }
}

/** Says which run this is and where else it can be seen. */
export async function announce(courier: Courier, handle: RunHandle, { out }: Invocation): Promise<void> {
  const page = await courier.linkTo(handle.workflowId);
  out.note(`Run ${handle.workflowId}${page === null ? '' : `\n  ${page}`}`);
}
