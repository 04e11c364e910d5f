/** The files that make each system start the service. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { afterAll, describe, expect, it } from 'vitest';
import { launchd } from '../../client/cli/autostart/launchd.ts';
import { systemd } from '../../client/cli/autostart/systemd.ts';
import { windows } from '../../client/cli/autostart/windows.ts';

const main = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'courier-autostart-'));
const odd = {
  argv: [process.execPath, '/opt/A & B/100% "x"/$HOME/main.js', 'dev'],
  env: { COURIER_HOME: '/data/50% & "y" <z>' },
};
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the systemd unit', () => {
  it('escapes percent, dollar and quotes', () => {
    const text = systemd.text(odd);
    expect(text).toContain('"/opt/A & B/100%% \\"x\\"/$$HOME/main.js" "dev"');
    expect(text).toContain('Environment="COURIER_HOME=/data/50%% & \\"y\\" <z>"');
  });

  it.skipIf(spawnSync('systemd-analyze', ['--version']).status !== 0)(
    'is accepted by systemd-analyze',
    () => {
      const file = join(dir, 'ndi-courier.service');
      writeFileSync(file, systemd.text(odd));
      const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', file], {
        encoding: 'utf8',
      });
      expect(stderr.split('\n').filter((line) => line.includes('ndi-courier'))).toEqual([]);
      expect(status).toBe(0);
    },
  );
});

describe('the launch agent and the Windows task', () => {
  it('are well-formed XML and hold the command as it is', () => {
    for (const { text } of [launchd, windows]) expect(XMLValidator.validate(text(odd))).toBe(true);
    const agent = new XMLParser().parse(launchd.text(odd));
    expect(agent.plist.dict.array.string).toEqual(odd.argv);
    const task = new XMLParser().parse(windows.text(odd));
    expect(task.Task.Actions.Exec.Arguments).toContain(`set "COURIER_HOME=${odd.env.COURIER_HOME}" && `);
  });
});

describe.skipIf(process.platform !== 'linux')('the service command', () => {
  const env = { PATH: '/nowhere', HOME: dir, COURIER_HOME: join(dir, 'home') };
  const cli = (...args: string[]) =>
    spawnSync(process.execPath, [main, 'service', ...args], { env, encoding: 'utf8' });
  const unit = join(dir, '.config/systemd/user/ndi-courier.service');

  it('prints the file and writes nothing with --print', () => {
    expect(cli('install', '--print').stdout).toContain(`"COURIER_HOME=${env.COURIER_HOME}"`);
    expect(existsSync(unit)).toBe(false);
  });

  it('keeps proxy and CA file, but no proxy with a password', () => {
    const { stdout } = spawnSync(process.execPath, [main, 'service', 'install', '--print'], {
      env: {
        ...env,
        COURIER_CA_FILE: '/etc/lab/ca.pem',
        HTTPS_PROXY: 'http://me:s3cr3t@proxy.lab:3128',
        HTTP_PROXY: 'http://proxy.lab:3128',
        NO_PROXY: '.lab',
      },
      encoding: 'utf8',
    });
    for (const kept of [
      'COURIER_CA_FILE=/etc/lab/ca.pem',
      'HTTP_PROXY=http://proxy.lab:3128',
      'NO_PROXY=.lab',
    ])
      expect(stdout).toContain(`Environment="${kept}"`);
    expect(stdout).not.toContain('s3cr3t');
  });

  it('says which commands to run where systemctl is missing, and removes its file', () => {
    const installed = cli('install');
    expect(installed.status).toBe(1);
    expect(installed.stdout).toContain('systemctl --user enable --now ndi-courier.service');
    expect(existsSync(unit)).toBe(true);
    expect(cli('remove').stdout).toContain('systemctl --user disable');
    expect(existsSync(unit)).toBe(false);
    expect(cli('remove').stdout).toContain('Nothing is installed.');
  });
});
