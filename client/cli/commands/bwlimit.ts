/** `ndi-courier bwlimit` */
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit.ts';
import { jsonOptions } from '../shared-options.ts';

export const command = defineCommand({
  name: 'bwlimit',
  summary: 'Show or change how fast transfers may go.',
  description:
    'The limit holds for each worker of this computer, also while it runs, and is kept. A timetable names local times and the limit ' +
    'from then on. K, M and G are 1024 bytes a second and their powers, as in rclone.',
  args: [
    {
      name: '[limit]',
      help: '`10M`, `off`, a timetable: `"08:00,2M 19:00,off"`, or `config`: what `config.json` says.',
    },
  ],
  options: jsonOptions,
  examples: [{ line: 'ndi-courier bwlimit "08:00,2M 19:00,off"', does: 'slow in working hours' }],
  run: async ({ env, out }, [limit], { json }) => {
    const [{ homeFromEnv }, { readBandwidth, writeBandwidth }] = await Promise.all([
      import('../../../workers/home.ts'),
      import('../../../workers/bandwidth.ts'),
    ]);
    const home = homeFromEnv(env);
    if (limit !== undefined) writeBandwidth(home, limit);
    const bwlimit = readBandwidth(home);
    if (json) out.json({ bwlimit });
    else out.print(bwlimit);
    return EXIT.done;
  },
});
