import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Resets a connection. Node.js resets none with TLS: that one is cut without a word. */
export function resetConnection(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
