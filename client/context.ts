/** Starting a run, whatever its type. */
import type { Environment } from '../ndi/auth/environment.ts';
import type { ResultOf } from '../workflows/contracts/index.ts';
import type { Operation } from '../workflows/operations.ts';
import type { Accounts } from './accounts.ts';
import { readConfig } from './options.ts';
import type { RunHandle } from './run-handle.ts';
import type { Service } from './service.ts';
import { type StartRun, startRun } from './start.ts';
import type { TemporalConnection } from './temporal.ts';

/** The parts of the library that starting a run needs. */
export interface Context {
  readonly env: Environment;
  readonly log: (line: string) => void;
  readonly accounts: Accounts;
  readonly service: Service;
  connect(): Promise<TemporalConnection>;
}

/** Where options come from besides the caller. */
export async function sources(context: Context, section: string) {
  const config = readConfig(await context.service.configFile());
  return { env: context.env, ...(config[section] === undefined ? {} : { config: config[section] }) };
}

/** Starts the run, and says when no worker serves its computer. */
export async function begin<O extends Operation>(
  context: Context,
  run: StartRun & { readonly operation: O },
): Promise<RunHandle<ResultOf<O>>> {
  const connection = await context.connect();
  const handle = await startRun(connection, run, context.log);
  if (!connection.embedded && (await context.service.pollers(run.input.site)).site === 0) {
    context.log(
      `No worker serves this computer (site ${run.input.site}) yet; the run waits for one: ndi-courier up`,
    );
  }
  return handle;
}
