/** `ndi-courier codec` */
import { CourierError } from '../../../errors/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit.ts';
import { jsonOptions } from '../shared-options.ts';

export const command = defineCommand({
  name: 'codec',
  summary: 'Decode a private service’s payloads for Temporal’s Web UI.',
  description:
    'Prints an address to enter in the Web UI’s settings for a codec endpoint, and serves it until Ctrl-C. The ' +
    'address holds a secret that is new each time: who knows it can read your runs.',
  options: jsonOptions,
  run: async ({ env, out, signal }, _args, { json }) => {
    const { homeFromEnv } = await import('../../../workers/home.ts');
    const { status } = await import('../../../workers/service.ts');
    const { readPayloadKey } = await import('../../../workers/payload-key.ts');
    const { dataConverterFromEnv } = await import('../../../workers/codec.ts');
    const { startCodecEndpoint } = await import('../../../workers/codec-endpoint.ts');
    const { uiUrl } = status({ env });
    if (uiUrl === null) throw new CourierError('NDI_E_NOT_RUNNING');
    const [codec] = dataConverterFromEnv(env, readPayloadKey(homeFromEnv(env)))?.payloadCodecs ?? [];
    if (codec === undefined) {
      throw new CourierError('NDI_E_USAGE', {
        detail: 'The service is not private: nothing is to be decoded.',
      });
    }
    const endpoint = await startCodecEndpoint(codec, uiUrl);
    try {
      if (json) out.json({ url: endpoint.url, uiUrl });
      else out.print(`Enter this in the Web UI at ${uiUrl}; Ctrl-C ends it:\n  ${endpoint.url}`);
      if (!signal.aborted)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    } finally {
      await endpoint.close();
    }
    return EXIT.done;
  },
});
