import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { AuthorizationCode } from '../generated/postgresql/client.ts';
import { CODE_BY_ID, codeValues, STORE_CODE } from '../statements/codes-and-grants.ts';
import { hashToken } from '../token-hash.ts';
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

/** Authorization codes, known by their hash. Redeeming one takes more than the engine can say: see `redemption-store.ts`. */
export function authorizationCodesAdapter({ database, prisma, rowsAhead, clock }: AdapterDependencies): Adapter {
  return adapterOf('AuthorizationCode', {
    upsert: async (value, payload, expiresIn) => {
      const columns = toColumns(payload, expiresIn, clock());
      await database.statements.run(STORE_CODE, hashToken(value), ...codeValues(columns));
    },
    find: async (value) => {
      const id = hashToken(value);
      const row = rowsAhead?.code(id) ?? (await database.statements.run<AuthorizationCode>(CODE_BY_ID, id))[0];
      return row && row.expiresAt > clock() ? toPayload(value, row) : undefined;
    },
    destroy: async (value) => {
      await prisma.authorizationCode.deleteMany({ where: { id: hashToken(value) } });
    },
    revokeByGrantId: async (grantId) => {
      await prisma.authorizationCode.deleteMany({ where: { grantId } });
    },
  });
}

function toColumns(payload: AdapterPayload, expiresIn: number | undefined, now: Date) {
  const {
    jti,
    kind,
    accountId,
    clientId,
    grantId,
    redirectUri,
    scope,
    resource,
    codeChallenge,
    codeChallengeMethod,
    iat,
    exp,
    consumed,
    ...detail
  } = payload;
  return {
    grantId: required(payload, 'grantId'),
    clientId: required(payload, 'clientId'),
    userId: required(payload, 'accountId'),
    redirectUri: redirectUri ?? null,
    scope: scope ?? null,
    resource: jsonOrNull(resource),
    codeChallenge: codeChallenge ?? null,
    codeChallengeMethod: codeChallengeMethod ?? null,
    detail: JSON.stringify(detail),
    issuedAt: iat === undefined ? now : fromEpoch(iat),
    expiresAt: requiredExpiryOf(payload, expiresIn, now),
  };
}

function toPayload(value: string, row: AuthorizationCode): AdapterPayload {
  return present({
    ...parsePayload(row.detail),
    jti: value,
    kind: 'AuthorizationCode',
    accountId: row.userId,
    clientId: row.clientId,
    grantId: row.grantId,
    redirectUri: row.redirectUri ?? undefined,
    scope: row.scope ?? undefined,
    resource: parseOptional<string | string[]>(row.resource),
    codeChallenge: row.codeChallenge ?? undefined,
    codeChallengeMethod: row.codeChallengeMethod ?? undefined,
    iat: toEpoch(row.issuedAt),
    exp: toEpoch(row.expiresAt),
    consumed: row.consumedAt ? toEpoch(row.consumedAt) : undefined,
  });
}
