/**
 * The control endpoint: JSON over HTTP beside the API, never subject to faults. For tests and people, not for
 * clients of the cloud. Documented in docs/sandbox.md.
 *
 *   GET    /control                 what is here: URLs, knobs, pending work
 *   GET    /control/faults          the switches and how often each fired
 *   POST   /control/faults          one switch or a list of them -> ids
 *   DELETE /control/faults[/:id]    one or all
 *   GET    /control/requests        counts per route, bytes per object key, the last requests
 *   POST   /control/requests/reset
 *   GET    /control/knobs           token and URL lifetimes, delays, file listing, clock offset
 *   POST   /control/knobs           changes some of them
 *   POST   /control/expire-tokens   every token issued so far becomes invalid
 *   GET    /control/users           accounts with password and pending confirmation code
 *   POST   /control/users/password  {email, password}: changes a password behind the user's back
 */
import { Hono } from 'hono';
import { isCourierError } from '../errors/index.ts';
import type { Cloud } from './cloud/http.ts';
import type { FaultSpec } from './faults.ts';
import { knobProblem } from './knobs.ts';

export interface ControlDeps {
  readonly cloud: Cloud;
  readonly status: () => Record<string, unknown>;
}

export function createControlApp({ cloud, status }: ControlDeps): Hono {
  const app = new Hono().basePath('/control');
  const { faults, knobs, store, tasks, tokens } = cloud;
  app.onError((error, c) => {
    const known = isCourierError(error) || error instanceof SyntaxError || error instanceof TypeError;
    return c.json({ message: error.message }, known ? 400 : 500);
  });
  app.get('/', (c) => c.json(status()));
  app.get('/faults', (c) => c.json({ faults: faults.list() }));
  app.post('/faults', async (c) => {
    const given = (await c.req.json()) as FaultSpec | FaultSpec[];
    const ids = (Array.isArray(given) ? given : [given]).map((spec) => faults.set(spec));
    return c.json({ ids, id: ids[0] }, 201);
  });
  app.delete('/faults', (c) => c.json({ cleared: faults.clear() }));
  app.delete('/faults/:id', (c) => c.json({ cleared: faults.clear(c.req.param('id')) }));
  app.get('/requests', (c) => c.json(faults.requests()));
  app.post('/requests/reset', (c) => {
    faults.resetRequests();
    return c.json({});
  });
  app.get('/knobs', (c) => c.json(knobs));
  app.post('/knobs', async (c) => {
    const change = (await c.req.json()) as Record<string, unknown>;
    const problem = knobProblem(change);
    if (problem !== undefined) return c.json({ message: problem }, 400);
    Object.assign(knobs, change);
    tasks.wake();
    return c.json(knobs);
  });
  app.post('/expire-tokens', (c) => {
    tokens.expireAll();
    return c.json({});
  });
  app.get('/users', (c) => {
    const users = store.all(
      'SELECT id, email, name, password, code, is_admin, is_validated FROM users ORDER BY id',
    );
    return c.json({ users });
  });
  app.post('/users/password', async (c) => {
    const { email, password } = (await c.req.json()) as { email?: string; password?: string };
    if (typeof email !== 'string' || typeof password !== 'string')
      return c.json({ message: 'email and password' }, 400);
    const changed = store.run('UPDATE users SET password=? WHERE email=?', password, email);
    return changed === 1 ? c.json({}) : c.json({ message: 'no such user' }, 404);
  });
  return app;
}
