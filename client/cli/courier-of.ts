/** Opens the library for one command and closes it whatever happens. */
import type { Courier } from '../courier.ts';
import type { Invocation } from './command.ts';

export async function withCourier<T>(
  { env, out }: Pick<Invocation, 'env' | 'out'>,
  use: (courier: Courier) => Promise<T>,
): Promise<T> {
  const { createCourier } = await import('../courier.ts');
  const courier = createCourier({ env, log: out.note });
  try {
    return await use(courier);
  } finally {
    await courier.close();
  }
}
