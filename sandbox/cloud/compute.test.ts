import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestClient, type TestSandbox, testSandbox, until } from '../testing.ts';

let held: TestSandbox;
let lab: TestClient;

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
});
afterAll(() => held.close());

const start = (pipelineId: string, more: object = {}) =>
  lab.call('POST', '/compute/start', { pipelineId, ...more });
const session = async (id: string) => (await lab.call('GET', `/compute/${id}`)).body;
const ended = (id: string) =>
  until(
    () => session(id),
    ({ status }) => status !== 'RUNNING',
  );

describe('compute sessions of the sandbox', () => {
  it('a session goes through its stages by itself and is completed', async () => {
    const { status, body } = await start('hello-world-v1', { inputParameters: { name: 'x' } });
    expect(status).toBe(201);
    expect(body).toMatchObject({ status: 'RUNNING', currentStage: 'hello', inputParameters: { name: 'x' } });
    expect(body.sessionId).toBe(body.id);
    expect(await ended(body.id)).toMatchObject({
      status: 'COMPLETED',
      currentStage: null,
      stages: [
        { stageId: 'hello', status: 'COMPLETED' },
        { stageId: 'world', status: 'COMPLETED' },
      ],
    });
    expect((await lab.call('GET', '/compute')).body.sessions[0].sessionId).toBe(body.id);
    expect((await lab.call('POST', `/compute/${body.id}/advance`)).status).toBe(409);
  });

  it('a zombie runs until it is advanced or aborted', async () => {
    const { id } = (await start('zombie-test-v1')).body;
    expect((await lab.call('POST', `/compute/${id}/advance`)).body.status).toBe('COMPLETED');
    const other = (await start('zombie-test-v1')).body.id;
    expect((await lab.call('DELETE', `/compute/${other}`)).status).toBe(204);
    expect((await lab.call('DELETE', `/compute/${other}`)).status).toBe(204);
    expect((await session(other)).status).toBe('ABORTED');
  });

  it('a stage can be run by name; the paths that one client has wrong stay unknown', async () => {
    const { id } = (await start('hello-world-v1')).body;
    expect((await lab.call('POST', `/compute/${id}/stage/none`)).status).toBe(404);
    const running = await lab.call('POST', `/compute/${id}/stage/world`);
    expect(running.body).toMatchObject({ status: 'RUNNING', currentStage: 'world' });
    expect((await ended(id)).status).toBe('COMPLETED');
    for (const wrong of ['abort', 'finalize'])
      expect((await lab.call('POST', `/compute/${id}/${wrong}`)).text).toContain('Cannot POST');
  });

  it('MATLAB needs a licence for its release, or a network one', async () => {
    const refused = await start('hello-matlab-v1');
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ code: 'MATLAB_LICENSE_REQUIRED', requiredRelease: 'R2024b' });
    const license = '/users/me/matlab-license';
    await lab.call('POST', license);
    await lab.call('PUT', license, { dedicatedLicenseFile: 'INCREMENT MATLAB', release: 'R2023a' });
    expect((await start('hello-matlab-v1')).status).toBe(400);
    await lab.call('PUT', license, { dedicatedLicenseFile: 'INCREMENT MATLAB', release: 'R2024b' });
    expect((await start('hello-matlab-v1')).status).toBe(201);
    held.sandbox.faults.set({ route: 'POST /compute/start', kind: 'decrypt-failed', count: 1 });
    expect((await start('hello-matlab-v1')).body.code).toBe('MATLAB_LICENSE_DECRYPT_FAILED');
    await lab.call('PUT', license, { networkLicenseFile: 'SERVER somewhere' });
    expect((await start('hello-matlab-v1')).status).toBe(201);
  });

  it('sessions fail or hang on demand, are their owner’s alone, and survive a restart', async () => {
    held.sandbox.faults.set({
      route: 'RUN compute',
      kind: 'import-lost',
      count: 1,
      params: { jobState: 'failed' },
    });
    const failing = (await start('hello-world-v1')).body.id;
    expect(await ended(failing)).toMatchObject({ status: 'FAILED', error: 'The stage failed' });
    expect((await start('no-such-pipeline')).status).toBe(400);
    const second = await held.login('second@sandbox.test');
    expect((await second.call('GET', `/compute/${failing}`)).status).toBe(404);
    expect((await second.call('GET', '/compute')).body.sessions).toEqual([]);
    const { id } = (await start('hello-world-v1')).body;
    await held.restart();
    expect((await ended(id)).status).toBe('COMPLETED');
  });
});
