/** The thread that `pool.ts` starts: passes each order on to its function. */
import { parentPort } from 'node:worker_threads';
import { hashOrders } from './hash.ts';
import type { ThreadOrder, ThreadReply } from './messages.ts';
import { placeFiles } from './place.ts';

const reply = (message: ThreadReply): void => parentPort?.postMessage(message);
const hash = hashOrders(reply);

parentPort?.on('message', (message: ThreadOrder) => {
  if (message.order === 'place') reply(placeFiles(message));
  else hash(message);
});
