/**
 * Which organisation is meant (NDI Cloud contract §1.4, §2.3, §10 no. 30). The API has no routes to manage
 * them.
 */
import { CourierError } from '../../errors/index.ts';
import { isCloudId } from '../ids.ts';
import { sanitize } from './sanitize.ts';
import type { CloudUser, Organization } from './types.ts';

/**
 * The organisation of `user` to work in: `wanted` (an id, or a name that only one has), else the only one.
 * The first is never taken silently.
 * @throws NDI_E_NO_ORGANIZATION, NDI_E_CHOOSE_ORGANIZATION (with the choices)
 */
export function chooseOrganization(user: CloudUser, wanted?: string): Organization {
  const [first, ...others] = user.organizations;
  if (first === undefined) throw new CourierError('NDI_E_NO_ORGANIZATION', { detail: sanitize(user.email) });
  if (wanted === undefined && others.length === 0) return first;
  const matches = user.organizations.filter((one) => one.id === wanted || one.name === wanted);
  const match =
    user.organizations.find((one) => one.id === wanted) ?? (matches.length === 1 ? matches[0] : undefined);
  if (match !== undefined) return match;
  const choices = user.organizations.map((one) => sanitize(`${one.id} (${one.name})`)).join(', ');
  const lead = wanted === undefined ? '' : `${JSON.stringify(wanted.slice(0, 80))} is none of them. `;
  throw new CourierError('NDI_E_CHOOSE_ORGANIZATION', { detail: `${lead}The choices: ${choices}.` });
}

/**
 * The organisation in force: what is configured when asked (an id, or a name of the account's), else the
 * account's only one.
 */
export function createOrganizationId(
  me: (signal?: AbortSignal) => Promise<CloudUser>,
  configured: () => Promise<string | undefined>,
): (signal?: AbortSignal) => Promise<string> {
  return async (signal) => {
    const id = await configured();
    if (id !== undefined && isCloudId(id)) return id;
    if (id !== undefined && id !== '') return chooseOrganization(await me(signal), id).id;
    // Not kept: the account behind a profile can change, and callers ask once a run.
    return chooseOrganization(await me(signal)).id;
  };
}
