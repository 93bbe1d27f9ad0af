import {
  createSigningKeyStore,
  type Database,
  type Envelope,
  type RecordedSigningKey,
  type SigningKey,
  type SigningKeyStore,
} from '@portcullis/persistence';
import type { AdminAnswer, Clock } from '@portcullis/platform';
import { z } from 'zod';
import type { SigningKeyPolicy } from '../keys/key-policy.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import { activeKey, type KeyTimes, keyStates, leavesAt, mayActivateAt, nextKey } from '../keys/key-schedule.ts';
import { type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeOf } from './page-cursor.ts';
import { type ChangeContext, type ChangeOutcome, recordedChange } from './recorded-change.ts';

/** What the operations on keys work with. */
export type KeyHandlerDeps = {
  database: Database;
  envelope: Envelope;
  policy: SigningKeyPolicy;
  keyRing: KeyRing;
  clock: Clock;
};

type KeyOperations = 'listKeys' | 'rotateKeys' | 'retireKey';

/** The operations on signing keys. */
export function keyHandlers(deps: KeyHandlerDeps): AdminHandlers<KeyOperations> {
  const { database, envelope, policy, keyRing, clock } = deps;
  const storeIn = (within: Database) => createSigningKeyStore(within, envelope);

  /** There is a next key before a change, and this replica knows of the change when it is answered. */
  async function changed<Answer>(call: ChangeContext, change: (found: FoundKeys) => Promise<ChangeOutcome<Answer>>) {
    await keyRing.keep();
    const outcome = await recordedChange(database, call, async (within) => {
      const store = storeIn(within);
      const { keys } = await store.load();
      // The time is taken after that: a change that was made just before must lie in the past.
      return change({ store, keys, now: clock() });
    });
    // What is done is done: where it cannot be read now, it will be within a second.
    await keyRing.keep().catch(() => undefined);
    return outcome;
  }

  return {
    async listKeys({ query: { cursor, limit }, now }) {
      const before = cursor === undefined ? undefined : placeOf(cursor, z.int32());
      if (cursor !== undefined && before === undefined) return refuse(FOREIGN_CURSOR);
      const { keys } = await storeIn(database).load();
      const rows = await storeIn(database).list({ before, limit: limit + 1 });
      const item = (row: RecordedSigningKey) => shown(row, keys, now);
      return { ok: true, answer: pageOf(rows, { limit, place: ({ sequence }) => sequence, item }) };
    },
    rotateKeys: (call) => changed(call, (found) => rotate(found, { policy, force: call.body.force })),
    retireKey: (call) => changed(call, (found) => retire(found, call.params.key ?? '')),
  };
}

/** The keys as a change finds them. */
type FoundKeys = { store: SigningKeyStore; keys: readonly SigningKey[]; now: Date };

type Rotated = AdminAnswer<'rotateKeys'>;

async function rotate(
  { store, keys, now }: FoundKeys,
  { policy, force }: { policy: SigningKeyPolicy; force: boolean },
): Promise<ChangeOutcome<Rotated>> {
  const previous = activeKey(keys, now);
  const next = nextKey(keys, now);
  if (!next) return conflict(NO_NEXT_KEY);
  const mayAt = mayActivateAt(next, policy);
  if (mayAt > now && !force) return conflict(notBefore(mayAt));
  if (!(await store.activate({ kid: next.kid, from: next.activatesAt, now }))) return conflict(OVERTAKEN);
  const after = keys.map((key) => (key.kid === next.kid ? { ...key, activatesAt: now } : key));
  return {
    ok: true,
    answer: { key: shown({ ...next, activatesAt: now }, after, now), previous: shown(previous, after, now) },
    event: { type: 'key.rotated', detail: { kid: next.kid, previous: previous.kid, forced: mayAt > now } },
  };
}

type Retired = AdminAnswer<'retireKey'>;

async function retire({ store, keys, now }: FoundKeys, kid: string): Promise<ChangeOutcome<Retired>> {
  const found = await store.find(kid);
  if (!found) return refuse({ reason: 'not_found', what: 'such key' });
  if (found.retiredAt) return conflict('That key is retired already.');
  const next = nextKey(keys, now);
  const successor = activeKey(keys, now).kid === kid ? next : undefined;
  if (activeKey(keys, now).kid === kid && !next) return conflict(NO_NEXT_KEY);
  if (successor && !(await store.activate({ kid: successor.kid, from: successor.activatesAt, now })))
    return conflict(OVERTAKEN);
  if (!(await store.retire({ kid, now }))) return conflict(OVERTAKEN);
  const left = keys
    .filter((key) => key.kid !== kid)
    .map((key) => (key.kid === successor?.kid ? { ...key, activatesAt: now } : key));
  const active = activeKey(left, now);
  return {
    ok: true,
    answer: { key: shown({ ...found, retiredAt: now }, left, now), active: shown(active, left, now) },
    event: { type: 'key.retired', detail: { kid, state: keyStates(keys, now).get(kid), active: active.kid } },
  };
}

const NO_NEXT_KEY = 'The next key has not been made yet. Try again in a second.';
const OVERTAKEN = 'The keys were changed at the same time. Look at them again.';

function conflict(detail: string) {
  return refuse({ reason: 'conflict', detail });
}

function notBefore(moment: Date): string {
  const time = moment.toISOString().replace(/\.\d+Z$/, 'Z');
  return `The next key is too new: resource servers may not know it before ${time}. Wait until then; if the active key is compromised, force it, and calls may fail until they have asked for the key.`;
}

function shown(row: KeyTimes & { alg: string; retiredAt?: Date | undefined }, keys: readonly KeyTimes[], now: Date) {
  const { kid, alg, createdAt, activatesAt, retiredAt } = row;
  return {
    kid,
    alg,
    state: keyStates(keys, now).get(kid) ?? 'retired',
    createdAt: createdAt.toISOString(),
    activatesAt: activatesAt.toISOString(),
    publishedUntil: leavesAt(row, keys, now)?.toISOString() ?? null,
    retiredAt: retiredAt?.toISOString() ?? null,
  };
}
