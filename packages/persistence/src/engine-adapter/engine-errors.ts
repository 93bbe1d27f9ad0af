import type { errors } from 'oidc-provider';

/** The engine's error classes that the adapter throws: the engine turns them into OAuth errors, all others into 500. */
export type EngineErrors = Pick<
  typeof errors,
  'InvalidGrant' | 'InvalidClientAuth' | 'InvalidClientMetadata' | 'SessionNotFound'
>;
