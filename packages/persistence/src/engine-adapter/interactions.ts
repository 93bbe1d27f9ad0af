import type { Adapter } from 'oidc-provider';
import { readInteractionRows } from '../session-rows.ts';
import { hashToken } from '../token-hash.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { engineRecordsAdapter, openerOf } from './engine-records.ts';

/** Authorizations on their way. Where a request keeps what is read ahead, it gets what their next steps ask for. */
export function interactionsAdapter(dependencies: AdapterDependencies): Adapter {
  const { database, rowsAhead } = dependencies;
  const open = openerOf('Interaction', dependencies);
  return {
    ...engineRecordsAdapter('Interaction', dependencies),
    find: async (value) => {
      const withSession = rowsAhead?.wantsSession() ?? false;
      const rows = await readInteractionRows(database, { id: hashToken(value), withSession });
      const interaction = open(rows?.record);
      if (!rows || !interaction) return undefined;
      rowsAhead?.keep({ client: rows.client, session: rows.session });
      return { ...interaction, jti: value };
    },
  };
}
