/** The settings of alerts: `alerts` in `config.json`, and the environment, which wins. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';
import type { Home } from './home.ts';

/** Read anew for each alert: a change holds from the next night on. @throws NDI_E_SETTING */
export function alertSettings(home: Pick<Home, 'dir'>, env: Environment): Record<string, unknown> {
  const { COURIER_ALERT_WEBHOOK: webhook, COURIER_ALERT_SMTP: smtp } = env;
  return {
    ...section(join(home.dir, 'config.json')),
    ...(webhook ? { webhook } : {}),
    ...(smtp ? { smtp } : {}),
  };
}

function section(path: string): object {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new CourierError('NDI_E_SETTING', { detail: `${path} cannot be read.`, cause: error });
  }
  try {
    const { alerts } = JSON.parse(text) as { alerts?: object };
    return alerts ?? {};
  } catch {
    // The text may hold a password: nothing of it is said.
    throw new CourierError('NDI_E_SETTING', { detail: `${path} is not JSON.` });
  }
}
