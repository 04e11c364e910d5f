/**
 * Logging of a process that runs workers: JSON lines, with the SDK's own words and those of its native core
 * in one stream.
 */
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import pino, { type DestinationStream, type Logger } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Fields that a log line never shows, wherever they stand. */
const REDACTED = ['password', 'token', 'authorization', 'url', 'downloadUrl'].flatMap((key) => [
  key,
  `*.${key}`,
]);

export const createLogger = (level: LogLevel, destination?: DestinationStream): Logger =>
  pino(
    {
      level,
      base: null,
      serializers: { error: pino.stdSerializers.err },
      redact: { paths: REDACTED, censor: '…' },
    },
    destination ?? pino.destination(2),
  );

/**
 * Gives the SDK our logger. Once per process, before the first connection; later calls do nothing, because
 * the SDK allows one runtime.
 */
export function installRuntime(logger: Logger): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      const { sdkComponent, ...fields } = meta ?? {};
      logger[pinoLevel(level)]({ ...fields, from: sdkComponent }, message);
    }),
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
    },
  });
}

let installed = false;

const pinoLevel = (level: string): 'trace' | 'debug' | 'info' | 'warn' | 'error' =>
  level.toLowerCase() as 'trace' | 'debug' | 'info' | 'warn' | 'error';
