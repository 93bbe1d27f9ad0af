import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Grant } from '../generated/postgresql/client.ts';
import { endGrantsAlone } from '../grant-ending.ts';
import { grantValues, STORE_GRANT } from '../statements/codes-and-grants.ts';
import { GRANT_BY_ID } from '../statements/lookups.ts';
import { inTransaction } from '../transaction.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { adapterOf } from './adapter-of.ts';
import {
  fromEpoch,
  jsonOrNull,
  parseOptional,
  parsePayload,
  present,
  required,
  requiredExpiryOf,
  toEpoch,
} from './payload-form.ts';

/**
 * Grants. Their id is no secret (access tokens carry it as `gid`), so it is stored as it is.
 * With a grant go its codes and refresh tokens, and what its user had agreed to for the client (SP-16); resource servers
 * are told to refuse its access tokens in the same transaction.
 */
export function grantsAdapter({ database, prisma, rowsAhead, clock }: AdapterDependencies): Adapter {
  return adapterOf('Grant', {
    upsert: async (id, payload, expiresIn) => {
      const columns = toColumns(payload, expiresIn, clock());
      await database.statements.run(STORE_GRANT, id, ...grantValues(columns));
    },
    find: async (id) => {
      const row = rowsAhead?.grant(id) ?? (await database.statements.run<Grant>(GRANT_BY_ID, id))[0];
      if (!row || row.expiresAt <= clock()) return undefined;
      return present({
        ...parsePayload(row.detail),
        jti: row.id,
        kind: 'Grant',
        accountId: row.userId,
        clientId: row.clientId,
        resources: parseOptional<Record<string, string>>(row.resources),
        iat: toEpoch(row.issuedAt),
        exp: toEpoch(row.expiresAt),
        tokensEndedUntil: row.tokensEndedUntil?.getTime(),
      } as AdapterPayload);
    },
    destroy: async (id) => {
      await inTransaction(database, (within) => endGrantsAlone(within, { grants: { id }, now: clock() }));
      // One statement at a time, so that the engine's own revocation of the same rows, which runs beside this, cannot
      // lock against it. Without the grant the engine takes none of them.
      await prisma.refreshToken.deleteMany({ where: { grantId: id } });
      await prisma.authorizationCode.deleteMany({ where: { grantId: id } });
    },
  });
}

/** Until when access tokens of a grant that {@link grantsAdapter} found were ended; undefined for never. */
export function tokensEndedUntilOf(grant: AdapterPayload): Date | undefined {
  const { tokensEndedUntil } = grant;
  return typeof tokensEndedUntil === 'number' ? new Date(tokensEndedUntil) : undefined;
}

function toColumns(payload: AdapterPayload, expiresIn: number | undefined, now: Date) {
  const { jti, kind, accountId, clientId, iat, exp, ...rest } = payload;
  const { resources, ...detail } = rest as AdapterPayload & { resources?: Record<string, string> };
  return {
    userId: required(payload, 'accountId'),
    clientId: required(payload, 'clientId'),
    resources: jsonOrNull(resources),
    detail: JSON.stringify(detail),
    issuedAt: iat === undefined ? now : fromEpoch(iat),
    expiresAt: requiredExpiryOf(payload, expiresIn, now),
  };
}
