import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { RefreshToken } from '../generated/postgresql/client.ts';
import { REFRESH_TOKEN_BY_ID } from '../statements/lookups.ts';
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

/** Refresh tokens, known by their hash. Rotating one takes more than the engine can say: see `redemption-store.ts`. */
export function refreshTokensAdapter({ database, prisma, rowsAhead, clock }: AdapterDependencies): Adapter {
  return adapterOf('RefreshToken', {
    upsert: async (value, payload, expiresIn) => {
      const id = hashToken(value);
      const columns = refreshTokenColumns(payload, expiresIn, clock());
      await prisma.refreshToken.upsert({ where: { id }, create: { id, ...columns }, update: columns });
    },
    find: async (value) => {
      const id = hashToken(value);
      const row =
        rowsAhead?.refreshToken(id) ?? (await database.statements.run<RefreshToken>(REFRESH_TOKEN_BY_ID, id))[0];
      return row && row.expiresAt > clock() ? refreshTokenPayload(value, row) : undefined;
    },
    destroy: async (value) => {
      await prisma.refreshToken.deleteMany({ where: { id: hashToken(value) } });
    },
    revokeByGrantId: async (grantId) => {
      await prisma.refreshToken.deleteMany({ where: { grantId } });
    },
  });
}

/** The columns of a refresh token that nobody has used yet. */
export function refreshTokenColumns(payload: AdapterPayload, expiresIn: number | undefined, now: Date) {
  const {
    jti,
    kind,
    accountId,
    clientId,
    grantId,
    scope,
    resource,
    jkt,
    rotations,
    iat,
    iiat,
    exp,
    consumed,
    ...detail
  } = payload;
  const issuedAt = iat === undefined ? now : fromEpoch(iat);
  return {
    grantId: required(payload, 'grantId'),
    clientId: required(payload, 'clientId'),
    userId: required(payload, 'accountId'),
    scope: scope ?? null,
    resource: jsonOrNull(resource),
    keyThumbprint: typeof jkt === 'string' ? jkt : null,
    rotations: rotations ?? null,
    detail: JSON.stringify(detail),
    issuedAt,
    firstIssuedAt: iiat === undefined ? issuedAt : fromEpoch(iiat),
    expiresAt: requiredExpiryOf(payload, expiresIn, now),
  };
}

/** A stored refresh token as the engine knows it. */
export function refreshTokenPayload(value: string, row: RefreshToken): AdapterPayload {
  return present({
    ...parsePayload(row.detail),
    jti: value,
    kind: 'RefreshToken',
    accountId: row.userId,
    clientId: row.clientId,
    grantId: row.grantId,
    scope: row.scope ?? undefined,
    resource: parseOptional<string | string[]>(row.resource),
    jkt: row.keyThumbprint ?? undefined,
    rotations: row.rotations ?? undefined,
    iat: toEpoch(row.issuedAt),
    iiat: toEpoch(row.firstIssuedAt),
    exp: toEpoch(row.expiresAt),
    consumed: row.consumedAt ? toEpoch(row.consumedAt) : undefined,
  });
}
