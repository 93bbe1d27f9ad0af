import { randomBytes } from 'node:crypto';
import {
  type Confirmation,
  confirmationPlace,
  createAuditLog,
  createConfirmationStore,
  type Database,
  type Envelope,
  type GrantStore,
  hashToken,
  inTransaction,
} from '@portcullis/persistence';
import type { AuditEvent, AuditEventType, Clock } from '@portcullis/platform';
import type { FormTokens } from '../interactions/form-token.ts';
import { type AskingParty, findAskingParty } from './asking-party.ts';
import { type ConfirmableCall, callHash } from './confirmable-call.ts';

/** Where a request came from, for the audit trail. */
type Origin = { address: string; correlationId: string };

/** What becomes of a call: it may be made once, its user is being asked or said no, or there is nobody to ask. */
type ConfirmationAnswer =
  | { status: 'approved' }
  | { status: 'pending'; handle: string; expiresAt: Date }
  | { status: 'denied' }
  | { status: 'nobody-to-ask' };

/** What the page shows of a call. */
type ShownCall = Pick<ConfirmableCall, 'tool' | 'arguments'>;

/** A question as its page shows it; without `call` it was decided. */
export type Question = Confirmation & { call: ShownCall | undefined; party: AskingParty };

/**
 * What they are made with. `handles` make the handles of pages out of what the database has: one for each master key, the
 * current one first.
 */
export type ConfirmationsDeps = {
  database: Database;
  grants: GrantStore;
  envelope: Envelope;
  handles: readonly [FormTokens, ...FormTokens[]];
  clock: Clock;
};

/** Asks users about single calls, and lets each approval be used once (SP-29). */
export type Confirmations = {
  /** Uses up an approval of this very call, or sees to it that its user is asked. */
  useOrAsk(resource: string, call: ConfirmableCall, origin: Origin): Promise<ConfirmationAnswer>;
  /** The question behind a page's address, for its own user alone (RS-33), while what asked has not ended. */
  find(o: { handle: string; userId: string }): Promise<Question | undefined>;
  /** Decides what {@link Confirmations.find} gave. False where it was decided before, or has expired meanwhile. */
  decide(question: Confirmation, approve: boolean, origin: Origin): Promise<boolean>;
};

/** For how long a question waits for its user, and then the answer for the call. */
const ASKED_SECONDS = 600;
const DECIDED_SECONDS = 300;
/** Losing against others who ask the same at this moment is rare; losing so often is a fault. */
const ATTEMPTS = 5;

/** Makes them over the database. */
export function createConfirmations(deps: ConfirmationsDeps): Confirmations {
  const { database, grants, envelope, clock } = deps;
  const store = createConfirmationStore(database);
  return {
    async useOrAsk(resource, call, origin) {
      const now = clock();
      const asked = { call, callHash: callHash(resource, call), resource, now, origin };
      const party = await findAskingParty(subjectOf(asked), { database, grants, now });
      if (!party) return { status: 'nobody-to-ask' };
      if (await useUp(database, asked)) return { status: 'approved' };
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const present = await presentAnswer(deps, asked);
        const answer = present?.answer ?? (await ask(deps, { ...asked, inPlaceOf: present?.id }));
        if (answer) return answer;
      }
      throw new Error('a confirmation could neither be found nor asked for');
    },
    async find({ handle, userId }) {
      const found = await store.find({ handle, now: clock() });
      if (found?.userId !== userId) return undefined;
      const { id, sealedCall } = found;
      const call = sealedCall === undefined ? undefined : opened(envelope, { id, sealedCall });
      const party = await findAskingParty(found, { database, grants, now: clock() });
      return party && { ...found, call, party };
    },
    async decide(question, approve, origin) {
      const now = clock();
      const { id, userId } = question;
      return inTransaction(database, async (within) => {
        const expiresAt = after(now, DECIDED_SECONDS);
        const decided = await createConfirmationStore(within).decide({ id, userId, approve, now, expiresAt });
        const type = approve ? 'confirmation.approved' : 'confirmation.denied';
        if (decided) await createAuditLog(within).record(eventOf(type, question, { now, origin }));
        return decided;
      });
    },
  };
}

type Asked = { call: ConfirmableCall; callHash: string; resource: string; now: Date; origin: Origin };

async function useUp(database: Database, asked: Asked): Promise<boolean> {
  return inTransaction(database, async (within) => {
    const isUsed = await createConfirmationStore(within).use(asked);
    if (isUsed) await createAuditLog(within).record(eventOf('confirmation.used', subjectOf(asked), asked));
    return isUsed;
  });
}

/**
 * What was asked or answered before; undefined where nothing was. It has no answer where the page's handle cannot be made
 * any more, because the master key that it was made with is gone.
 */
async function presentAnswer(
  { database, handles }: ConfirmationsDeps,
  asked: Asked,
): Promise<{ id: string; answer: ConfirmationAnswer | undefined } | undefined> {
  const present = await createConfirmationStore(database).findByCall(asked);
  if (!present) return undefined;
  const { id, nonce, expiresAt } = present;
  if (present.state === 'denied') return { id, answer: { status: 'denied' } };
  const handle = handles.map((made) => made.issue(nonce)).find((made) => hashToken(made) === id);
  return { id, answer: handle === undefined ? undefined : { status: 'pending', handle, expiresAt } };
}

async function ask(
  { database, envelope, handles: [current] }: ConfirmationsDeps,
  asked: Asked & { inPlaceOf: string | undefined },
): Promise<ConfirmationAnswer | undefined> {
  const { call, callHash, now, inPlaceOf } = asked;
  const nonce = randomBytes(32).toString('base64url');
  const handle = current.issue(nonce);
  const expiresAt = after(now, ASKED_SECONDS);
  const shown: ShownCall = { tool: call.tool, arguments: call.arguments };
  const sealedCall = envelope.seal(JSON.stringify(shown), confirmationPlace(hashToken(handle)));
  const isFirst = await inTransaction(database, async (within) => {
    const subject = subjectOf(asked);
    const question = { ...subject, handle, nonce, callHash, sealedCall, now, expiresAt, inPlaceOf };
    const isOpened = await createConfirmationStore(within).open(question);
    if (isOpened) await createAuditLog(within).record(eventOf('confirmation.asked', subject, asked));
    return isOpened;
  });
  return isFirst ? { status: 'pending', handle, expiresAt } : undefined;
}

function opened(envelope: Envelope, { id, sealedCall }: { id: string; sealedCall: string }): ShownCall {
  return JSON.parse(envelope.open(sealedCall, confirmationPlace(id)).toString('utf8'));
}

function after(now: Date, seconds: number): Date {
  return new Date(now.getTime() + seconds * 1000);
}

type Subject = Pick<Confirmation, 'userId' | 'clientId' | 'grantId' | 'resource' | 'tool'>;

function subjectOf({ call, resource }: Asked): Subject {
  const { subject: userId, clientId, grantId, tool } = call;
  return { userId, clientId, grantId, resource, tool: tool.name };
}

function eventOf(
  type: AuditEventType,
  { userId, clientId, grantId, resource, tool }: Subject,
  { now, origin }: { now: Date; origin: Origin },
): AuditEvent {
  const outcome = type === 'confirmation.denied' ? 'denied' : 'success';
  return {
    type,
    outcome,
    time: now,
    subject: userId,
    client: clientId,
    resource,
    tool,
    ...origin,
    detail: { grantId },
  };
}
