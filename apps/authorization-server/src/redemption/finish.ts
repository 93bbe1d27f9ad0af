import type { GrantStore, RedemptionStore, RotatedToken } from '@portcullis/persistence';
import type { AuditEvent, AuditSink, Clock, Logger } from '@portcullis/platform';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { untilArrived } from '../http/arrivals.ts';
import { networkOf } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { sendUnavailable } from '../http/unavailable.ts';
import type { TokenMetrics } from '../metrics.ts';
import { raiseAnomaly } from './anomaly.ts';
import type { FamilyMarks } from './family-mark.ts';
import { type Redemption, redemptionOf, requestsPresenting } from './redemption.ts';
import { invalidGrant, type RedemptionRefusal } from './refusal.ts';
import {
  isParallel,
  type KeptAnswer,
  keepAnswer,
  readKeptAnswer,
  readTokenAnswer,
  replayedAnswer,
  type Suspicion,
  suspicionOf,
  type TokenAnswer,
} from './replay.ts';
import { fingerprintOf } from './request-fingerprint.ts';
import { forgottenAt, parallelUntil, standingOfRotated, stragglingUntil } from './standing.ts';

/** What finishing a redemption needs. */
export type FinishDeps = {
  redemptions: RedemptionStore;
  grants: Pick<GrantStore, 'revoke'>;
  /** How long an answer to a refresh may be given again, in seconds; 0 for never. */
  refreshGraceSeconds: number;
  familyMarks: FamilyMarks;
  /** What a suspicious replay leads to, beside the record of it. */
  suspiciousReplay: 'report' | 'revoke';
  metrics: TokenMetrics;
  audit: AuditSink;
  clock: Clock;
  log: Logger;
};

/** A redemption that the engine has called a success; nothing of it is written yet. */
type Finished = Redemption & { event: AuditEvent; grantId: string };

/** What the client gets: the engine's answer as it is, another one, or a refusal. */
type Outcome = { ok: true; answer?: TokenAnswer } | { ok: false; refusal: RedemptionRefusal | 'grant_changed' };

/**
 * The end of a token request that redeems something: writes what the engine was made to hold back, in one write,
 * and only then lets its answer go. Where another request was first, the client gets that one's answer, or a refusal.
 * Whatever fails before this, or is refused here, leaves the code or refresh token as it was. Only where the connection breaks
 * while it is written may it have been: then a refresh gets the same answer, for as long as answers are kept, and a code none.
 */
export function finishRedemption(deps: FinishDeps) {
  return async (ctx: KoaContextWithOIDC): Promise<void> => {
    const redemption = redemptionOf(ctx);
    if (!redemption || ctx.status !== 200) return;
    const { consumed, event } = redemption;
    const grantId = ctx.oidc.entities.Grant?.jti;
    // Tokens that are not written down would be given for the same code again and again.
    if (!consumed || !event || grantId === undefined) throw new TypeError('a redemption cannot be written down');
    const issued = markIssued(ctx, { issued: redemption.issued, grantId }, deps.familyMarks);
    const finished: Finished = { ...redemption, issued, event, grantId };
    const outcome = await (finished.kind === 'code' ? redeemCode(ctx, finished, deps) : refresh(ctx, finished, deps));
    if (!outcome.ok) refuse(ctx, outcome.refusal);
    else if (outcome.answer) ctx.body = outcome.answer;
  };
}

/** Gives the refresh token that goes out the mark of its family: in what is stored, and in the answer. */
function markIssued(
  ctx: KoaContextWithOIDC,
  { issued, grantId }: Pick<Redemption, 'issued'> & { grantId: string },
  marks: FamilyMarks,
): Redemption['issued'] {
  if (!issued) return undefined;
  const value = marks.mark(issued.value, { grantId, generation: issued.payload.rotations ?? 0 });
  ctx.body = { ...readTokenAnswer(ctx.body), refresh_token: value };
  return { ...issued, value };
}

async function redeemCode(
  ctx: KoaContextWithOIDC,
  { value, presenting, grantId, tokensEndedUntil, issued, event }: Finished,
  { redemptions, clock, log }: FinishDeps,
): Promise<Outcome> {
  const redeemed = await redemptions.redeemCode({ value, grantId, tokensEndedUntil, issued, event, now: clock() });
  if (!redeemed.ok) {
    const { reason } = redeemed.refusal;
    if (reason === 'already_redeemed')
      await redemptions.noteParallelUses({ code: value, until: stragglingUntil(clock()) });
    return { ok: false, refusal: refusalOf(reason, 'code_redeemed') };
  }
  await untilArrived();
  const requests = requestsPresenting({ value, presenting });
  try {
    await redemptions.noteParallelUses({ code: value, until: parallelUntil({ now: clock(), requests }) });
  } catch (cause) {
    // The tokens are there; without the note a later use of the code is refused, but taken for a simultaneous one.
    log.warn({ err: cause, correlationId: requestContext(ctx).correlationId }, 'when a code was answered is not noted');
  }
  return { ok: true };
}

async function refresh(ctx: KoaContextWithOIDC, finished: Finished, deps: FinishDeps): Promise<Outcome> {
  if (finished.isReplay) return replay(ctx, finished, deps);
  const { value, exp, grantId, tokensEndedUntil, issued: successor, event } = finished;
  if (!successor) throw new TypeError('a refresh token was rotated without a successor');
  const now = deps.clock();
  const { redemptions, familyMarks, metrics, refreshGraceSeconds: graceSeconds } = deps;
  const rotated = await redemptions.rotate({
    value,
    grantId,
    tokensEndedUntil,
    successor,
    fingerprint: fingerprintOfRequest(ctx),
    answer:
      graceSeconds === 0
        ? undefined
        : {
            text: keepAnswer(readTokenAnswer(ctx.body), {
              asked: askedScopes(ctx, successor.payload.scope),
              network: networkOf(requestContext(ctx).address),
              now,
            }),
            expiresAt: new Date(now.getTime() + graceSeconds * 1000),
          },
    event,
    // Without a mark that can be read, its reuse is known by its row alone.
    forgetAt: familyMarks.read(value) && forgottenAt({ now, exp, graceSeconds }),
    now,
  });
  if (rotated.ok) {
    metrics.rotated();
    return { ok: true };
  }
  if (rotated.refusal.reason === 'already_redeemed') return replay(ctx, finished, deps);
  return { ok: false, refusal: refusalOf(rotated.refusal.reason, 'token_rotated') };
}

/** Every check of a refresh has been passed again by now; what is left is what concerns the rotation that was. */
async function replay(ctx: KoaContextWithOIDC, finished: Finished, deps: FinishDeps): Promise<Outcome> {
  const rotated = await deps.redemptions.findRotated(finished.value);
  if (!rotated) return { ok: false, refusal: 'grant_ended' };
  const { arrivedAt } = requestContext(ctx);
  const now = deps.clock();
  const standing = standingOfRotated(rotated, { arrivedAt, now, graceSeconds: deps.refreshGraceSeconds });
  if (standing === 'ancestor') deps.metrics.superseded();
  if (standing !== 'predecessor' || rotated.answer === undefined)
    return { ok: false, refusal: standing === 'ancestor' ? 'token_superseded' : 'token_rotated' };
  const kept = readKeptAnswer(rotated.answer);
  if (rotated.fingerprint !== fingerprintOfRequest(ctx) || !asksTheSame(ctx, finished, kept))
    return { ok: false, refusal: 'other_request' };
  const { grantId, tokensEndedUntil } = finished;
  // What was signed for this request may hold more than is allowed by now.
  if (!(await deps.redemptions.isAsRead({ grantId, tokensEndedUntil }))) return { ok: false, refusal: 'grant_changed' };
  const suspicion = await suspicionAbout(ctx, { finished, rotated, rotatedFrom: kept.network }, deps);
  if (suspicion) {
    await raiseAnomaly(deps, { ...finished.event, kind: suspicion });
    if (deps.suspiciousReplay === 'revoke') {
      await revoke(finished, suspicion, deps);
      return { ok: false, refusal: 'suspicious_replay' };
    }
  }
  await deps.audit.record({ ...finished.event, type: 'token.replayed' });
  deps.metrics.replayed();
  const isEnded = tokensEndedUntil !== undefined && rotated.rotatedAt <= tokensEndedUntil;
  return { ok: true, answer: replayedAnswer(kept, { fresh: readTokenAnswer(ctx.body), isEnded, now }) };
}

async function suspicionAbout(
  ctx: KoaContextWithOIDC,
  { finished, rotated, rotatedFrom }: { finished: Finished; rotated: RotatedToken; rotatedFrom: string },
  { redemptions }: FinishDeps,
): Promise<Suspicion | undefined> {
  const { address, arrivedAt } = requestContext(ctx);
  const replays = isParallel({ rotatedAt: rotated.rotatedAt, arrivedAt })
    ? 0
    : await redemptions.countReplay(finished.value);
  return suspicionOf({ rotatedFrom, replayedFrom: networkOf(address), replays });
}

async function revoke({ grantId, event }: Finished, why: Suspicion, { grants, audit }: FinishDeps): Promise<void> {
  await grants.revoke({ id: grantId, now: event.time });
  await audit.record({ ...event, type: 'grant.revoked', detail: { ...event.detail, why } });
}

/** The scopes that a refresh names; those of its family where it names none. */
function askedScopes({ oidc }: KoaContextWithOIDC, familyScope: string | undefined): string[] {
  const named: unknown = oidc.params?.scope;
  return scopesIn(typeof named === 'string' ? named : familyScope);
}

/** Whether a request names the scopes that the one which rotated named, of those that the family has left. */
function asksTheSame(ctx: KoaContextWithOIDC, { issued }: Finished, { asked }: KeptAnswer): boolean {
  const left = scopesIn(issued?.payload.scope);
  const now = askedScopes(ctx, issued?.payload.scope);
  return left.every((scope) => now.includes(scope) === asked.includes(scope));
}

function scopesIn(scope: string | undefined): string[] {
  return scope?.split(' ').filter(Boolean) ?? [];
}

function fingerprintOfRequest({ oidc }: KoaContextWithOIDC): string {
  const { AccessToken: token, Client: client } = oidc.entities;
  return fingerprintOf({
    clientId: client?.clientId ?? '',
    resource: String(token?.aud),
    proofKey: token?.jkt ?? token?.['x5t#S256'],
  });
}

function refusalOf(
  reason: 'already_redeemed' | 'grant_ended' | 'grant_changed',
  otherwise: RedemptionRefusal,
): RedemptionRefusal | 'grant_changed' {
  return reason === 'already_redeemed' ? otherwise : reason;
}

/** Takes the engine's answer back, and lets the engine's listeners know. */
function refuse(ctx: KoaContextWithOIDC, refusal: RedemptionRefusal | 'grant_changed'): void {
  // What the request was about to get is not allowed any more, and what is left is not known here: it can ask again.
  if (refusal === 'grant_changed') {
    sendUnavailable(ctx);
    return;
  }
  const error = invalidGrant(refusal);
  ctx.status = error.statusCode;
  ctx.body = { error: error.error, error_description: error.error_description };
  ctx.oidc.provider.emit('grant.error', ctx, error);
}
