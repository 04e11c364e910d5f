/** `ndi-courier doctor` */
import { z } from 'zod';
import { option } from '../../options.ts';
import { defineCommand, withCourier } from '../command.ts';
import { runChecks } from '../doctor-checks.ts';
import { EXIT } from '../exit.ts';
import { accountShape, jsonShape } from '../shared-options.ts';

const MARKS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

export const command = defineCommand({
  name: 'doctor',
  summary: 'Check this computer, the service and the login.',
  description: 'Changes nothing. Each line is ok, warn or FAIL, with the next step where there is one.',
  args: [{ name: '[dataset]', help: 'A dataset folder to look at, too.' }],
  options: z
    .object({
      offline: option(z.boolean().default(false), { help: 'Do not ask NDI Cloud.' }),
      ...accountShape,
      ...jsonShape,
    })
    .strict(),
  run: async (invocation, [dataset], options) =>
    withCourier(invocation, async (courier) => {
      const checks = await runChecks({ ...invocation, courier, dataset, ...options });
      const { out } = invocation;
      const failed = checks.some((check) => check.state === 'fail');
      if (options.json) out.json({ ok: !failed, checks });
      else {
        for (const { name, state, detail, nextStep } of checks) {
          out.print(`${MARKS[state]}  ${name.padEnd(14)} ${detail}`);
          if (nextStep !== undefined && state !== 'ok') out.print(`      → ${nextStep}`);
        }
      }
      return failed ? EXIT.failed : EXIT.done;
    }),
});
