/** `ndi-courier down` */
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { jsonOptions } from '../shared-options.ts';

export const command = defineCommand({
  name: 'down',
  summary: 'Stop the service; runs go on when it is back.',
  options: jsonOptions,
  run: async (invocation, _args, { json }) =>
    withCourier(invocation, async ({ service }) => {
      const stopped = await service.down();
      if (json) invocation.out.json({ stopped });
      else invocation.out.print(stopped ? 'Stopped. Runs go on when it is back.' : 'Nothing was running.');
      return EXIT.done;
    }),
});
