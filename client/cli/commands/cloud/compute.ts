/** `ndi-courier cloud compute …` (NDI Cloud contract §2.9). */
import { z } from 'zod';
import type { ComputeSession } from '../../../../ndi/cloud/index.ts';
import { option } from '../../../options.ts';
import { defineCommand } from '../../command.ts';
import { about, call, callOptions, callShape, objectOf } from './call.ts';

const SESSION = { name: '<session>', help: 'Id of the session.' } as const;

/** The record as the cloud gave it. */
const shown = ({ sessionId, raw }: ComputeSession): object => ({ sessionId, ...raw });

const start = defineCommand({
  name: 'start',
  summary: 'Start a session of a pipeline.',
  args: [{ name: '<pipeline>', help: 'Such as `hello-world-v1`.' }],
  options: z
    .object({
      input: option(z.string().optional(), {
        help: 'JSON file with the input parameters; - reads standard input.',
        value: 'FILE',
        defaultText: 'none',
      }),
      ...callShape,
    })
    .strict(),
  run: async (invocation, [pipeline], { input, profile }) => {
    const parameters = input === undefined ? undefined : await objectOf(invocation, input);
    return call(invocation, profile, async (cloud, signal) =>
      shown(await cloud.compute.start(pipeline, parameters, signal)),
    );
  },
});

const list = defineCommand({
  name: 'list',
  summary: 'Your sessions.',
  options: callOptions,
  run: (invocation, _args, { profile }) =>
    call(invocation, profile, async (cloud, signal) => ({
      sessions: (await cloud.compute.list(signal)).map(shown),
    })),
});

const stage = defineCommand({
  name: 'stage',
  summary: 'Run one stage of a session.',
  args: [SESSION, { name: '<stage>', help: 'Id of the stage.' }],
  options: callOptions,
  run: (invocation, [session, stageId], { profile }) =>
    call(invocation, profile, (cloud, signal) => cloud.compute.runStage(session, stageId, signal)),
});

export const compute = defineCommand({
  name: 'compute',
  summary: 'Compute sessions: start, look, advance, abort.',
  subcommands: [
    start,
    list,
    about('get', 'State of a session.', SESSION, async (cloud, id, signal) =>
      shown(await cloud.compute.get(id, signal)),
    ),
    stage,
    about('advance', 'End the stage that runs and go on with the next.', SESSION, (cloud, id, signal) =>
      cloud.compute.advance(id, signal),
    ),
    about('abort', 'End a session.', SESSION, (cloud, id, signal) => cloud.compute.abort(id, signal)),
  ],
});
