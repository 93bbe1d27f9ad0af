import type { Clock } from '@portcullis/platform';
import type { ClientRows } from '../client-rows.ts';
import type { Database } from '../database.ts';
import type { Envelope } from '../envelope.ts';
import type { RowsAhead } from '../presented-rows.ts';
import type { EngineErrors } from './engine-errors.ts';

export type EngineAdapterOptions = {
  /** How clients are found; each time anew by default. */
  clientRows?: ClientRows;
  /** What was read already; nothing by default. */
  rowsAhead?: RowsAhead;
  clock: Clock;
  envelope: Envelope;
  /** `errors` of oidc-provider. It comes from outside so that this package does not load the engine. */
  errors: EngineErrors;
};

/** What each model's part of the adapter works with. */
export type AdapterDependencies = EngineAdapterOptions & { database: Database; prisma: Database['prisma'] };
