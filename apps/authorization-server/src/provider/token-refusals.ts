import { createAuditLog, type Database, inTransaction, takeEndedCounters } from '@portcullis/persistence';
import type { AuditEvent, AuditSink } from '@portcullis/platform';
import { z } from 'zod';
import { createFailureLimit, networkOf } from '../http/failure-limit.ts';

/** Refusals in the audit trail that anybody can cause without end: of clients, of sign-ins, of proofs of oneself. */
export type TokenRefusals = {
  /** Records a refusal, or counts it where many of its kind were recorded already. */
  record(event: AuditEvent): Promise<void>;
};

const WINDOW_SECONDS = 15 * 60;

/** How many refusals of one kind, for one client (or user, where there is none) from one network, are recorded one by one in a window. */
const PER_CLIENT = { name: 'token-refusals', failures: 20, windowSeconds: WINDOW_SECONDS } as const;

/** The same for one network, whatever clients it names. */
const PER_NETWORK = { name: 'token-refusals-network', failures: 200, windowSeconds: WINDOW_SECONDS } as const;

/** How many refusals of one kind, of somebody who is signed in, about one app or one operation, are recorded one by one. */
const PER_MATTER = { name: 'person-refusals', failures: 20, windowSeconds: WINDOW_SECONDS } as const;

/** The same for one person, whatever it is about. */
const PER_PERSON = { name: 'person-refusals-person', failures: 200, windowSeconds: WINDOW_SECONDS } as const;

const BATCH = 100;

/**
 * What is counted together: the beginning of the window, the network unless it is all of them, and the kind and whose,
 * unless it is all of them.
 */
const counterSchema = z.object({
  window: z.number(),
  network: z.string().optional(),
  type: z
    .enum([
      'token.refused',
      'client.authentication_failed',
      'user.signed_in',
      'user.password_set',
      'personal_access_token.issued',
      'consent.decided',
      'upstream.refused',
      'admin.refused',
    ])
    .optional(),
  client: z.string().optional(),
  subject: z.string().optional(),
  operation: z.string().optional(),
});

type Counter = z.infer<typeof counterSchema>;

/**
 * Makes the record of refusals. Anybody can cause one, so a flood must not fill the trail: the first ones of a window
 * are written as they are, the others counted in the database, over all replicas, until {@link sumUpRefusals}.
 */
export function createTokenRefusals(database: Database, audit: AuditSink): TokenRefusals {
  const perClient = createFailureLimit(database, PER_CLIENT);
  const perNetwork = createFailureLimit(database, PER_NETWORK);
  return {
    async record(event) {
      const { type, client, address = '', time } = event;
      const window = windowOf(time);
      const network = networkOf(address);
      const whose = client === undefined ? { subject: event.subject } : { client };
      if (!(await perClient.take(JSON.stringify({ window, network, type, ...whose }))).allowed) return;
      if (!(await perNetwork.take(JSON.stringify({ window, network }))).allowed) return;
      await audit.record(event);
    },
  };
}

/** Refusals in the audit trail that somebody who is signed in, or a machine with a token, can cause without end. */
export type PersonRefusals = {
  /** Records a refusal that changes nothing, or counts it where many of its kind were recorded already. */
  record(event: AuditEvent): Promise<void>;
};

/**
 * Makes their record, after the example of {@link createTokenRefusals}. They count for nobody but whoever causes them, so
 * that no stranger's flood hides them, from whatever network it is.
 */
export function createPersonRefusals(database: Database, audit: AuditSink): PersonRefusals {
  const perMatter = createFailureLimit(database, PER_MATTER);
  const perPerson = createFailureLimit(database, PER_PERSON);
  return {
    async record(event) {
      const { type, subject, client, time, detail } = event;
      const whose = { window: windowOf(time), type, subject };
      const matter = { ...whose, client, operation: detail?.operation };
      if (!(await perMatter.take(JSON.stringify(matter))).allowed) return;
      if (!(await perPerson.take(JSON.stringify(whose))).allowed) return;
      await audit.record(event);
    },
  };
}

/** Each window has counters of its own: one that began anew before it was summed up would lose what it held. */
function windowOf(time: Date): number {
  return Math.floor(time.getTime() / 1000 / WINDOW_SECONDS) * WINDOW_SECONDS;
}

/** Writes one record for each counter whose window is over, which says how many refusals were only counted. */
export async function sumUpRefusals(database: Database, now: Date): Promise<void> {
  for (const limit of [PER_CLIENT, PER_NETWORK, PER_MATTER, PER_PERSON]) {
    let taken: number;
    do taken = await sumUp(database, { limit, now });
    while (taken === BATCH);
  }
}

type Limit = typeof PER_CLIENT | typeof PER_NETWORK | typeof PER_MATTER | typeof PER_PERSON;

function sumUp(database: Database, { limit, now }: { limit: Limit; now: Date }): Promise<number> {
  return inTransaction(database, async (within) => {
    const counters = await takeEndedCounters(within, { name: limit.name, limit: BATCH, now });
    for (const { key, points } of counters) {
      const notRecorded = points - limit.failures;
      const event = eventOf(counterSchema.parse(JSON.parse(key)), { notRecorded, now });
      if (notRecorded > 0) await createAuditLog(within).record(event);
    }
    return counters.length;
  });
}

function eventOf(
  { window, network, type = 'token.refused', client, subject, operation }: Counter,
  { notRecorded, now }: { notRecorded: number; now: Date },
): AuditEvent {
  return {
    time: now,
    type,
    outcome: 'denied',
    ...(network !== undefined && { address: network.includes(':') ? `${network}::/64` : network }),
    ...(client !== undefined && { client }),
    ...(subject !== undefined && { subject }),
    detail: {
      ...(operation !== undefined && { operation }),
      ...{ notRecorded, since: new Date(window * 1000).toISOString(), windowSeconds: WINDOW_SECONDS },
    },
  };
}
