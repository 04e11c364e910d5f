/** `ndi-courier status` */
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { serviceJson, serviceText } from '../service-line.ts';
import { jsonOptions } from '../shared-options.ts';

export const command = defineCommand({
  name: 'status',
  summary: 'Say what is running and where to look.',
  options: jsonOptions,
  run: async (invocation, _args, { json }) =>
    withCourier(invocation, async ({ service }) => {
      const state = await service.status();
      if (json) invocation.out.json(serviceJson(state));
      else invocation.out.print(serviceText(state));
      return EXIT.done;
    }),
});
