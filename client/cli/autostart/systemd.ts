/** Linux: a user unit of systemd. */
import type { Autostart } from './types.ts';

/** systemd replaces `%x` everywhere and `$x` in commands. */
const quoted = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;

export const systemd: Autostart = {
  path: '.config/systemd/user/ndi-courier.service',
  encoding: 'utf8',
  text: ({ argv, env }) => `[Unit]
Description=ndi-courier: transfers between NDI datasets and NDI Cloud

[Service]
ExecStart=${argv.map((word) => quoted(word).replaceAll('$', '$$$$')).join(' ')}
${Object.entries(env)
  .map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}\n`)
  .join('')}Restart=on-failure
RestartSec=30
KillMode=mixed
TimeoutStopSec=90

[Install]
WantedBy=default.target
`,
  enable: () => [
    ['systemctl', '--user', 'daemon-reload'],
    ['systemctl', '--user', 'enable', '--now', 'ndi-courier.service'],
  ],
  disable: () => [['systemctl', '--user', 'disable', '--now', 'ndi-courier.service']],
  hint: 'It starts at login. To start it at boot, before anybody logs in: loginctl enable-linger',
};
