/** Backpressure of a response. */
import type { ServerResponse } from 'node:http';

/** Resolves when more can be written, or when the other side is gone. */
export const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
