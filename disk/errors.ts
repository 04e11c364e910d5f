/** Errors of the file system, turned into ours. */
import { CourierError, diskErrorCode, isCourierError } from '../errors/index.ts';

/** An error of the file system about `path`; other errors pass through as they are. */
export function fileFailure(error: unknown, path: string): unknown {
  if (isCourierError(error)) return error;
  const code = (error as NodeJS.ErrnoException | null | undefined)?.code ?? '';
  const detail = `${path} (${code}).`;
  const known = diskErrorCode(error);
  if (known !== undefined) return new CourierError(known, { detail, room: { path }, cause: error });
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new CourierError('NDI_E_FILE_MISSING', { detail });
    case 'EISDIR':
    case 'EMFILE':
    case 'ENFILE':
      return new CourierError('NDI_E_INTERNAL', { detail, cause: error });
    default:
      return error;
  }
}

/**
 * An error of the file system about `path`, which was to be written or made: whatever else it says, it cannot
 * be written.
 */
export function writeFailure(error: unknown, path: string): unknown {
  const { code, errno } = (error ?? {}) as NodeJS.ErrnoException;
  if (isCourierError(error) || code === undefined || errno === undefined) return error;
  return new CourierError(diskErrorCode(error) ?? 'NDI_E_READ_ONLY', {
    detail: `${path} could not be written (${code}).`,
    room: { path },
    cause: error,
  });
}
