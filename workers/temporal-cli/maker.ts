/** The ways to make a Temporal CLI, as `find.ts` calls them. */
import type { Env } from '../home.ts';
import type { Log } from '../log.ts';

/** Makes a CLI at `target`, or throws with the reason why it cannot. */
export type CliMaker = (target: string, context: CliMakerContext) => Promise<void>;

export interface CliMakerContext {
  readonly env: Env;
  readonly log: Log;
  readonly signal: AbortSignal | undefined;
}
