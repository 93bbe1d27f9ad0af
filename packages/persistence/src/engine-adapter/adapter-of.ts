import type { Adapter } from 'oidc-provider';

/** The whole of the engine's adapter; what the model does not have throws. */
export function adapterOf(model: string, operations: Partial<Adapter>): Adapter {
  const unsupported = (operation: string) => async () => {
    throw new TypeError(`${model} has no ${operation}`);
  };
  return {
    upsert: unsupported('upsert'),
    find: unsupported('find'),
    findByUid: unsupported('findByUid'),
    findByUserCode: unsupported('findByUserCode'),
    consume: unsupported('consume'),
    destroy: unsupported('destroy'),
    revokeByGrantId: unsupported('revokeByGrantId'),
    ...operations,
  };
}
