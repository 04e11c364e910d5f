/** Temporal is reached directly: its client would take a proxy from the environment by itself. */
export const DIRECT_GRPC = { 'grpc.enable_http_proxy': 0 } as const;

/** Connection options of a Temporal client, without a proxy. */
export function withoutProxy<Options extends object>(options: Options) {
  const { channelArgs } = options as { readonly channelArgs?: Readonly<Record<string, unknown>> };
  return { ...options, channelArgs: { ...channelArgs, ...DIRECT_GRPC } };
}
