import type { RedemptionStore } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import { type Adapter, type AdapterPayload, type KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import { requestContext } from '../http/request-context.ts';
import type { TokenMetrics } from '../metrics.ts';
import type { FamilyMarks } from './family-mark.ts';
import { beginRedemption, type Presenting, type Redemption, redemptionOf } from './redemption.ts';
import { invalidGrant } from './refusal.ts';
import { standingOfRedeemed, standingOfRotated, stragglingUntil } from './standing.ts';

/** What the engine's adapters of codes and refresh tokens need to hold a redemption together. */
export type RedemptionAdapterDeps = {
  redemptions: RedemptionStore;
  presenting: Presenting;
  refreshGraceSeconds: number;
  familyMarks: FamilyMarks;
  metrics: TokenMetrics;
  clock: Clock;
};

/**
 * Codes at the token endpoint. The engine takes a payload that says `consumed` for a proof of theft and revokes the
 * grant; a request that was under way beside the one that redeemed is refused without that.
 */
export function redeemedCodes(adapter: Adapter, deps: RedemptionAdapterDeps): Adapter {
  return heldBack(adapter, {
    ...deps,
    kind: 'code',
    judge: async (ctx, code) => {
      const redeemed = await deps.redemptions.findRedeemedCode(code);
      if (!redeemed || standingOfRedeemed(redeemed, requestContext(ctx).arrivedAt) === 'reused') return 'reused';
      if (redeemed.parallelUntil === undefined)
        await deps.redemptions.noteParallelUses({ code, until: stragglingUntil(deps.clock()) });
      return { refusal: 'code_redeemed' };
    },
  });
}

/**
 * Refresh tokens at the token endpoint. One that was rotated and may be replayed goes through all checks of a refresh
 * again, as if it were live; what its client is answered is decided at the end.
 */
export function rotatedRefreshTokens(adapter: Adapter, deps: RedemptionAdapterDeps): Adapter {
  return heldBack(adapter, {
    ...deps,
    kind: 'refresh_token',
    findForgotten: async (value) => {
      const place = deps.familyMarks.read(value);
      return place && deps.redemptions.findForgotten({ value, ...place, now: deps.clock() });
    },
    judge: async (ctx, value) => {
      const rotated = await deps.redemptions.findRotated(value);
      if (!rotated) return 'reused';
      const { arrivedAt } = requestContext(ctx);
      const { clock, refreshGraceSeconds: graceSeconds } = deps;
      switch (standingOfRotated(rotated, { arrivedAt, now: clock(), graceSeconds })) {
        case 'reused':
          return 'reused';
        case 'predecessor':
          return { isReplay: true };
        case 'ancestor':
          return { refusal: 'token_superseded' };
        case 'in_flight':
          return { refusal: 'token_rotated' };
      }
    },
  });
}

type Redeemable = Pick<RedemptionAdapterDeps, 'metrics' | 'presenting'> & {
  kind: Redemption['kind'];
  /** Something that was redeemed so long ago that its row is gone, as far as it can be told from what came after it. */
  findForgotten?(value: string): Promise<AdapterPayload | undefined>;
  /** What presenting something comes to that was redeemed before. */
  judge(ctx: KoaContextWithOIDC, value: string): Promise<'reused' | Partial<Pick<Redemption, 'isReplay' | 'refusal'>>>;
};

/** The adapter of what is redeemed at the token endpoint, with its writes held back until the end of the request. */
function heldBack(adapter: Adapter, { kind, findForgotten, judge, metrics, presenting }: Redeemable): Adapter {
  return {
    ...adapter,
    find: async (value) => {
      const payload = (await adapter.find(value)) ?? (await findForgotten?.(value));
      const ctx = tokenRequest();
      if (!ctx || !payload) return payload;
      const found = payload.consumed ? await judge(ctx, value) : {};
      if (found === 'reused') return payload;
      beginRedemption(ctx, { kind, value, presenting, exp: payload.exp, ...found });
      return unconsumed(payload);
    },
    consume: async () => {
      const redemption = currentRedemption();
      if (!redemption) throw new TypeError(`a ${kind} is consumed that was not presented`);
      if (redemption.refusal === 'token_superseded') metrics.superseded();
      if (redemption.refusal) throw invalidGrant(redemption.refusal);
      redemption.consumed = true;
    },
    upsert: async (value, payload, expiresInSeconds) => {
      const redemption = currentRedemption();
      if (redemption) redemption.issued = { value, payload, expiresInSeconds };
      else await adapter.upsert(value, payload, expiresInSeconds);
    },
  };
}

function unconsumed({ consumed, ...payload }: AdapterPayload): AdapterPayload {
  return payload;
}

function currentRedemption(): Redemption | undefined {
  const ctx = tokenRequest();
  return ctx && redemptionOf(ctx);
}

function tokenRequest(): KoaContextWithOIDC | undefined {
  const ctx = Provider.ctx;
  return ctx?.oidc.route === 'token' ? ctx : undefined;
}
