/** The ways to make a Temporal CLI, as `find.ts` calls them. */
import type { Environment } from '../../ndi/auth/environment.ts';
import type { Log } from '../logs.ts';

/** Makes a CLI at `target`, or throws with the reason why it cannot. */
export type CliMaker = (target: string, context: CliMakerContext) => Promise<void>;

export interface CliMakerContext {
  readonly env: Environment;
  readonly log: Log;
  readonly signal: AbortSignal | undefined;
}
