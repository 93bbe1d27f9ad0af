import { noteInSpan } from '@portcullis/platform/watching';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { z } from 'zod';
import { grantTypeLabel, type TokenOutcome, tokenOutcome } from '../metrics/token-outcome.ts';
import type { TokenMetrics } from '../metrics.ts';

const errorSchema = z.object({ error: z.string() });

/** Counts what the token endpoint answers in the end, whoever has decided it. */
export function countTokenAnswers(metrics: Pick<TokenMetrics, 'answered'>) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    if (ctx.oidc?.route !== 'token') return;
    const grantType: unknown = ctx.oidc.params?.grant_type;
    const outcome = outcomeOf(ctx);
    metrics.answered(grantType, outcome);
    noteInSpan({ 'oauth.grant_type': grantTypeLabel(grantType), 'oauth.outcome': outcome });
  };
}

function outcomeOf({ status, body }: KoaContextWithOIDC): TokenOutcome {
  if (status === 200) return 'success';
  const read = errorSchema.safeParse(body);
  return read.success ? tokenOutcome(read.data.error) : 'other';
}
