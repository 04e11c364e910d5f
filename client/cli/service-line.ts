/** What `up`, `status` and `dev` print. The four keys of the JSON stay as they are; more may come. */
import type { ServiceState } from '../service.ts';
import { facts } from '../view/table.ts';

export const serviceJson = (state: ServiceState): object => ({
  temporalAddress: state.temporalAddress,
  namespace: state.namespace,
  uiUrl: state.uiUrl,
  workerPids: state.workerPids,
  running: state.running,
  version: state.version,
  private: state.private,
  home: state.home,
  ...(state.notice === undefined ? {} : { notice: state.notice }),
});

export const serviceText = (state: ServiceState): string =>
  facts([
    [
      'service',
      state.running ? `running since ${state.startedAt}` : 'not running; start it with `ndi-courier up`',
    ],
    ['look at it', state.uiUrl ?? undefined],
    [
      'temporal',
      state.temporalAddress === null ? undefined : `${state.temporalAddress}, namespace ${state.namespace}`,
    ],
    ['workers', state.running ? state.workerPids.join(', ') || 'none yet' : undefined],
    ['private', state.private ? 'payloads are encrypted; workers refuse what is not' : undefined],
    ['notice', state.notice === undefined ? undefined : `${state.notice.sentence} (${state.notice.at})`],
    ['state', state.home],
    ['logs', state.logsDir],
  ]);
