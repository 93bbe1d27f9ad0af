import { type AuditEvent, timeOrderedIds } from '@portcullis/platform';
import type { AdapterPayload } from 'oidc-provider';
import { toRow } from './audit-log.ts';
import type { Database } from './database.ts';
import { fromEpoch, toEpoch } from './engine-adapter/payload-form.ts';
import { refreshTokenColumns, refreshTokenPayload } from './engine-adapter/refresh-tokens.ts';
import { useDueSince } from './grant-store.ts';
import { openAnswer, sealAnswer } from './sealed-answer.ts';
import { MARK_PARALLEL_USES } from './statements/codes-and-grants.ts';
import type { RefreshTokenRow } from './statements/inserts.ts';
import {
  AUTHORIZATION_CODE,
  REFRESH_TOKEN,
  type RedemptionOutcome,
  type RedemptionRows,
  redemptionWriter,
  type WriteRedemption,
} from './statements/redemption.ts';
import { hashToken } from './token-hash.ts';
import { inOneWrite } from './transaction.ts';

const nextEventId = timeOrderedIds();

/** A refresh token as the engine made it, not stored yet. */
export type IssuedRefreshToken = { value: string; payload: AdapterPayload; expiresInSeconds: number | undefined };

/** What one redemption writes, all of it or nothing; that the grant was used, at most once a minute, is part of it. */
type Redemption = {
  /** The code or refresh token that was presented. */
  value: string;
  /** Without this grant nothing is written. */
  grantId: string;
  /** The grant's `tokensEndedUntil` as it was read: when it is another one now, nothing is written. */
  tokensEndedUntil: Date | undefined;
  event: AuditEvent;
  now: Date;
};

/** A code is traded for tokens; a client that may not refresh gets no refresh token. */
export type CodeRedemption = Redemption & { issued: IssuedRefreshToken | undefined };

/** A refresh token is replaced by its successor. */
export type Rotation = Redemption & {
  successor: IssuedRefreshToken;
  /** What tells a replay from another request; see {@link RotatedToken.fingerprint}. */
  fingerprint: string;
  /** What the client is told, to be told again; undefined where nothing is. */
  answer: { text: string; expiresAt: Date } | undefined;
  /** When the presented token may be cleaned away; undefined keeps it until it expires. */
  forgetAt: Date | undefined;
};

export type RedemptionResult =
  | { ok: true }
  /** Somebody else was first, or the code or token is gone; or its grant has ended meanwhile, or allows less. */
  | { ok: false; refusal: { reason: RefusalReason } };

type RefusalReason = 'already_redeemed' | 'grant_ended' | 'grant_changed';

/** A code that was redeemed. */
export type RedeemedCode = {
  /** A use that arrives until then was sent beside this one; undefined while this one is not answered, and none beside it. */
  parallelUntil: Date | undefined;
};

/** A refresh token that was rotated. */
export type RotatedToken = {
  grantId: string;
  rotatedAt: Date;
  /** Whether its successor is the head of the family still: no further rotation, no end. */
  successorIsHead: boolean;
  /** Of the request that rotated it. */
  fingerprint: string | undefined;
  /** What that request was answered; undefined when it is not kept any more. */
  answer: string | undefined;
};

export type RedemptionStore = {
  /** Redeems a code, unless it has been. Of several at once exactly one does. */
  redeemCode(o: CodeRedemption): Promise<RedemptionResult>;
  /** Notes until when another use of a redeemed code is taken for a parallel one, unless that is later already. */
  noteParallelUses(o: { code: string; until: Date }): Promise<void>;
  /** Undefined when there is no such code, or it is not redeemed. */
  findRedeemedCode(code: string): Promise<RedeemedCode | undefined>;
  /** Rotates a refresh token, unless it has been. Of several at once exactly one does. */
  rotate(o: Rotation): Promise<RedemptionResult>;
  /** Undefined when there is no such token, or it is the head of its family. */
  findRotated(value: string): Promise<RotatedToken | undefined>;
  /**
   * What is known of a refresh token that was rotated so long ago that it is cleaned away: what its family's head has,
   * and that it is used. Undefined when the family has no head, or none that came after this generation.
   */
  findForgotten(o: {
    value: string;
    grantId: string;
    /** How many tokens of the family came before it. */
    generation: number;
    now: Date;
  }): Promise<AdapterPayload | undefined>;
  /** Whether a grant is there, and its `tokensEndedUntil` is what was read. */
  isAsRead(o: { grantId: string; tokensEndedUntil: Date | undefined }): Promise<boolean>;
  /** Counts one more replay; returns how many there were with it, 0 when the token is gone. */
  countReplay(value: string): Promise<number>;
  /** Forgets the answers that nobody is given any more; returns how many. */
  forgetAnswers(now: Date): Promise<number>;
};

/**
 * What becomes of codes and refresh tokens that are redeemed. A redemption is one short write at the end of its
 * request: until then nothing of it is written, so whatever fails before has cost the client nothing.
 */
export function createRedemptionStore(database: Database): RedemptionStore {
  const { prisma } = database;
  const writeCode = redemptionWriter(database, AUTHORIZATION_CODE);
  const writeRefreshToken = redemptionWriter(database, REFRESH_TOKEN);
  return {
    redeemCode: ({ value, issued, ...common }) =>
      redeem(database, common, { value, issued, noted: {}, write: writeCode }),
    noteParallelUses: async ({ code, until }) => {
      await database.statements.run(MARK_PARALLEL_USES, hashToken(code), until);
    },
    findRedeemedCode: async (code) => {
      const row = await prisma.authorizationCode.findUnique({ where: { id: hashToken(code) } });
      return row?.consumedAt ? { parallelUntil: row.parallelUntil ?? undefined } : undefined;
    },
    rotate: ({ value, successor, fingerprint, answer, forgetAt, ...common }) => {
      const noted = {
        expiresAt: forgetAt ?? null,
        successorId: hashToken(successor.value),
        requestFingerprint: fingerprint,
        sealedAnswer: answer ? sealAnswer(answer.text, { value, id: hashToken(value) }) : null,
        answerExpiresAt: answer?.expiresAt ?? null,
      };
      return redeem(database, common, { value, issued: successor, noted, write: writeRefreshToken });
    },
    findRotated: async (value) => {
      const id = hashToken(value);
      const row = await prisma.refreshToken.findUnique({ where: { id } });
      if (!row?.consumedAt) return undefined;
      const successor =
        row.successorId === null
          ? null
          : await prisma.refreshToken.findUnique({ where: { id: row.successorId }, select: { consumedAt: true } });
      return {
        grantId: row.grantId,
        rotatedAt: row.consumedAt,
        successorIsHead: successor?.consumedAt === null,
        fingerprint: row.requestFingerprint ?? undefined,
        answer: row.sealedAnswer === null ? undefined : openAnswer(row.sealedAnswer, { value, id }),
      };
    },
    findForgotten: async ({ value, grantId, generation, now }) => {
      const head = await prisma.refreshToken.findFirst({
        where: { grantId, consumedAt: null, expiresAt: { gt: now } },
      });
      // A head that came before it is one from a backup: there is no telling what became of the token since.
      if (!head || generation >= (head.rotations ?? 0)) return undefined;
      return { ...refreshTokenPayload(value, head), consumed: toEpoch(head.issuedAt) };
    },
    isAsRead: async ({ grantId, tokensEndedUntil }) => {
      const select = { tokensEndedUntil: true };
      const grant = await prisma.grant.findUnique({ where: { id: grantId }, select });
      return grant !== null && grant.tokensEndedUntil?.getTime() === tokensEndedUntil?.getTime();
    },
    countReplay: async (value) => {
      const [row] = await prisma.refreshToken.updateManyAndReturn({
        where: { id: hashToken(value) },
        data: { replays: { increment: 1 } },
        select: { replays: true },
      });
      return row?.replays ?? 0;
    },
    forgetAnswers: async (now) => {
      const { count } = await prisma.refreshToken.updateMany({
        where: { answerExpiresAt: { lte: now } },
        data: { sealedAnswer: null, answerExpiresAt: null },
      });
      return count;
    },
  };
}

type Presented = Pick<RedemptionRows, 'noted'> & {
  value: string;
  issued: IssuedRefreshToken | undefined;
  write: WriteRedemption;
};

async function redeem(
  database: Database,
  { grantId, tokensEndedUntil, event, now }: Pick<Redemption, 'grantId' | 'tokensEndedUntil' | 'event' | 'now'>,
  { value, noted, issued, write }: Presented,
): Promise<RedemptionResult> {
  const rows: RedemptionRows = {
    grantId,
    tokensEndedUntil: tokensEndedUntil ?? null,
    useDueSince: useDueSince(now),
    id: hashToken(value),
    noted,
    issued: issued && refreshTokenRow(issued, now),
    event: toRow(nextEventId(event.time), event),
    now,
  };
  const { grant, consumed } = await inOneWrite(database, () => write(rows));
  if (consumed) {
    database.noteRecorded(event);
    return { ok: true };
  }
  return { ok: false, refusal: { reason: refusalReason(grant, { tokensEndedUntil, now }) } };
}

function refusalReason(
  grant: RedemptionOutcome['grant'],
  { tokensEndedUntil, now }: Pick<Redemption, 'tokensEndedUntil' | 'now'>,
): RefusalReason {
  if (!grant || grant.expiresAt <= now) return 'grant_ended';
  const isAsRead = grant.tokensEndedUntil?.getTime() === tokensEndedUntil?.getTime();
  return isAsRead ? 'already_redeemed' : 'grant_changed';
}

function refreshTokenRow({ value, payload, expiresInSeconds }: IssuedRefreshToken, now: Date): RefreshTokenRow {
  // The server's clock, not the engine's, says when it ends: the same clock asks later.
  const { exp, ...rest } = payload;
  // Lives count in whole seconds from whole seconds, or the last one would outlive the cap by a fraction.
  const second = fromEpoch(toEpoch(now));
  return { id: hashToken(value), ...refreshTokenColumns(rest, expiresInSeconds, second) };
}
