/** The thread behind `side-threads.ts`: passes orders on to who carries them out. */
import { parentPort } from 'node:worker_threads';
import { type HashOrder, type HashReply, hashOrders } from './hash-worker.ts';
import { type PlaceOrder, type PlaceReply, placeFiles } from './place-worker.ts';

export type SideOrder = HashOrder | PlaceOrder;
export type SideReply = HashReply | PlaceReply;

const reply = (message: SideReply): void => parentPort?.postMessage(message);
const hash = hashOrders(reply);

parentPort?.on('message', (message: SideOrder) => {
  if (message.order === 'place') reply(placeFiles(message));
  else hash(message);
});
