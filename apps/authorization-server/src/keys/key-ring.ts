import {
  createAuditLog,
  createSigningKeyStore,
  type Database,
  type Envelope,
  inTransaction,
  type NewSigningKey,
  type SigningKey,
  UnknownMasterKey,
} from '@portcullis/persistence';
import { type Clock, StartupError } from '@portcullis/platform';
import type { JWK } from 'jose';
import { type SigningAlgorithm, type SigningKeyPolicy, signingAlgorithmSchema } from './key-policy.ts';
import { activeKey, keyStates, missingKey, perState, publishedKeys } from './key-schedule.ts';
import { createSigningKey } from './new-key.ts';

/** The keys that are published at one time. It never changes: when keys come, go or get another turn, there is a new one. */
export type KeySet = Readonly<{
  /** Private keys, the one that signs first. */
  keys: readonly [JWK, ...JWK[]];
  /** Which of them signs at a moment. */
  signing(now: Date): { kid: string; alg: SigningAlgorithm };
}>;

/** The signing keys, as this replica knows them. */
export type KeyRing = Readonly<{
  /** What is published at this moment; the same object for as long as that is the same. */
  current(): KeySet;
  /**
   * Reads the keys again, makes the next one when there is none, and forgets the private parts of those whose time is
   * over. Every replica does so once a second; of several at once one makes the key.
   */
  keep(): Promise<void>;
}>;

/** What the key ring works with. */
export type KeyRingDeps = { database: Database; envelope: Envelope; policy: SigningKeyPolicy; clock: Clock };

/** Loads the signing keys; the first ones are made when there are none, by whichever replica comes first. */
export async function openKeyRing(deps: KeyRingDeps): Promise<KeyRing> {
  const { database, envelope, policy, clock } = deps;
  const store = createSigningKeyStore(database, envelope);
  let keys: readonly SigningKey[] = [];
  let current: { fingerprint: string; set: KeySet } | undefined;
  /** The same object for as long as the same is published, also where it was read anew. */
  const setOf = (of: readonly SigningKey[], now: Date): KeySet => {
    const published = publishedKeys(of, now);
    const fingerprint = JSON.stringify(published.map(({ jwk, ...times }) => times));
    if (current?.fingerprint !== fingerprint) current = { fingerprint, set: keySet(published) };
    return current.set;
  };
  let published = perState(keys, setOf);
  let keeping = Promise.resolve();

  async function keep(): Promise<void> {
    // The first time there may be neither an active nor a next key; after that at most the next one is missing.
    for (;;) {
      const loaded = await store.load();
      if (loaded.keys.some(({ overlapSeconds }) => overlapSeconds < policy.overlapSeconds)) {
        await store.raiseOverlap(policy.overlapSeconds);
        continue;
      }
      const missing = missingKey(loaded.keys, { times: policy, lastSequence: loaded.lastSequence, now: clock() });
      if (!missing) {
        keys = loaded.keys;
        published = perState(keys, setOf);
        break;
      }
      await add(deps, { ...missing, jwk: await createSigningKey(policy.algorithm), now: clock() });
    }
    const states = keyStates(keys, clock());
    for (const { kid } of keys) if (states.get(kid) === 'retired') await store.retire({ kid, now: clock() });
  }

  const ring: KeyRing = {
    current: () => published(clock()),
    keep() {
      // One after another: whoever changed something and asks must not get what was read before.
      keeping = keeping.then(keep, keep);
      return keeping;
    },
  };
  try {
    await ring.keep();
  } catch (cause) {
    if (!(cause instanceof UnknownMasterKey)) throw cause;
    throw new StartupError(
      'A signing key is encrypted under another master key: give that one as PORTCULLIS_MASTER_KEY_PREVIOUS and start again.',
      { cause },
    );
  }
  return ring;
}

/** Makes something once for each key set, such as an engine that signs with it. */
export function perKeySet<Made>(ring: Pick<KeyRing, 'current'>, make: (keys: KeySet) => Made): () => Made {
  let last: { keys: KeySet; made: Made } | undefined;
  return () => {
    const keys = ring.current();
    if (last?.keys !== keys) last = { keys, made: make(keys) };
    return last.made;
  };
}

function keySet(published: readonly SigningKey[]): KeySet {
  const [first, ...rest] = published.map(({ jwk, kid, alg }): JWK => ({ ...jwk, kid, alg, use: 'sig' }));
  if (!first) throw new TypeError('there is no signing key');
  return {
    keys: [first, ...rest],
    signing: perState(published, (keys, now) => {
      const { kid, alg } = activeKey(keys, now);
      return { kid, alg: signingAlgorithmSchema.parse(alg) };
    }),
  };
}

/** Another replica was faster. */
class Overtaken extends Error {}

/** Stores a key and its audit record together, unless another replica has made it. */
async function add({ database, envelope }: KeyRingDeps, key: NewSigningKey): Promise<void> {
  try {
    await inTransaction(database, async (within) => {
      if (!(await createSigningKeyStore(within, envelope).add(key))) throw new Overtaken();
      const { kid, alg } = key.jwk;
      const detail = { kid, alg, activatesAt: key.activatesAt.toISOString() };
      await createAuditLog(within).record({ time: key.now, type: 'key.created', outcome: 'success', detail });
    });
  } catch (cause) {
    if (!(cause instanceof Overtaken)) throw cause;
  }
}
