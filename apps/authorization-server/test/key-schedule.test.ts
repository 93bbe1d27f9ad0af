import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type SigningKeyPolicy, signingKeyProblems, signingKeysSchema } from '../src/keys/key-policy.ts';
import {
  activeKey,
  type KeyTimes,
  keyStates,
  mayActivateAt,
  missingKey,
  nextKey,
  perState,
  publishedKeys,
} from '../src/keys/key-schedule.ts';

const START = Date.parse('2026-11-20T10:00:00Z');
const at = (seconds: number) => new Date(START + seconds * 1000);

/** What happens to the keys: time passes, a replica looks, an administrator rotates or retires. */
type Step =
  | { kind: 'pass'; seconds: number }
  | { kind: 'keep'; replica: number }
  | { kind: 'rotate'; force: boolean }
  | { kind: 'retire'; which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('pass' as const), seconds: fc.integer({ min: 0, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('keep' as const), replica: fc.integer({ min: 0, max: 1 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rotate' as const), force: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retire' as const), which: fc.nat(5) }) },
);

const ttl = fc.integer({ min: 5, max: 60 });
const policy = fc
  .record({
    accessTokenTtlSeconds: ttl,
    jwksMaxAgeSeconds: fc.integer({ min: 1, max: 30 }),
    spareRotation: fc.nat(60),
    sparePublish: fc.nat(20),
    spareOverlap: fc.nat(20),
  })
  .map(({ accessTokenTtlSeconds, jwksMaxAgeSeconds, ...spare }) => {
    const publishSeconds = jwksMaxAgeSeconds + 2 + spare.sparePublish;
    const checked: SigningKeyPolicy = {
      algorithm: 'ES256',
      jwksMaxAgeSeconds,
      publishSeconds,
      rotationSeconds: publishSeconds + spare.spareRotation,
      overlapSeconds: accessTokenTtlSeconds + jwksMaxAgeSeconds + spare.spareOverlap,
    };
    return { accessTokenTtlSeconds, policy: checked };
  });

/** The stored keys with two replicas that know them as they were a second ago at most, and every token they signed. */
class Model {
  readonly policy: SigningKeyPolicy;
  readonly ttlSeconds: number;
  now = 0;
  keys: KeyTimes[] = [];
  made = 0;
  /** When the last token of each key expires. */
  readonly tokens = new Map<string, number>();
  /** What each replica knows, and since when. */
  readonly known: { keys: readonly KeyTimes[]; since: number }[] = [];
  /** Keys whose turn somebody brought forward against the rule, or that had to step in. */
  readonly hurried = new Set<string>();
  readonly retiredByHand = new Set<string>();

  constructor(policy: SigningKeyPolicy, ttlSeconds: number) {
    this.policy = policy;
    this.ttlSeconds = ttlSeconds;
    this.keep(0);
    this.keep(1);
    for (const { kid, sequence } of this.keys) if (sequence === 1) this.hurried.add(kid);
  }

  keep(replica: number): void {
    const time = at(this.now);
    for (let i = 0; i < 3; i += 1) {
      const missing = missingKey(this.keys, { times: this.policy, lastSequence: this.made, now: time });
      if (!missing) break;
      this.made = missing.sequence;
      this.keys.push({ ...missing, kid: `k${missing.sequence}`, createdAt: time });
    }
    const states = keyStates(this.keys, time);
    this.keys = this.keys.filter(({ kid }) => states.get(kid) !== 'retired');
    this.known[replica] = { keys: [...this.keys], since: this.now };
  }

  pass(seconds: number): void {
    for (let i = 0; i < seconds; i += 1) {
      this.now += 1;
      // Both look once a second; one of them is late by as much as the rules allow.
      this.keep(0);
      if (this.now - (this.known[1]?.since ?? 0) >= 2) this.keep(1);
      this.check();
    }
  }

  rotate(force: boolean): void {
    const next = nextKey(this.keys, at(this.now));
    if (!next) return;
    const prepared = mayActivateAt(next, this.policy) <= at(this.now);
    if (!prepared && !force) return;
    if (!prepared) this.hurried.add(next.kid);
    this.activate(next);
  }

  retire(which: number): void {
    this.keep(0);
    const key = this.keys[which % this.keys.length];
    if (!key) return;
    const time = at(this.now);
    if (activeKey(this.keys, time).kid === key.kid) {
      const next = nextKey(this.keys, time);
      if (!next) throw new Error('nobody is next');
      this.hurried.add(next.kid);
      this.activate(next);
    }
    this.retiredByHand.add(key.kid);
    this.keys = this.keys.filter(({ kid }) => kid !== key.kid);
    this.keep(0);
    // In an emergency the other replica signs with the old key until it looks; those tokens are lost by intent.
    this.keep(1);
  }

  private activate(next: KeyTimes): void {
    this.keys = this.keys.map((key) => (key.kid === next.kid ? { ...key, activatesAt: at(this.now) } : key));
    this.known[0] = { keys: [...this.keys], since: this.now };
  }

  check(): void {
    const time = at(this.now);
    const publishedBy = this.known.map(({ keys }) => new Set(publishedKeys(keys, time).map(({ kid }) => kid)));
    for (const [replica, { keys }] of this.known.entries()) {
      const published = publishedBy[replica] ?? new Set();
      const active = [...keyStates(keys, time).values()].filter((state) => state === 'active').length;
      if (active !== 1) this.fail(`replica ${replica} has ${active} active keys`);
      const signing = activeKey(keys, time);
      if (!published.has(signing.kid)) this.fail(`replica ${replica} signs with a key that it does not publish`);
      const publishedFor = this.now - (signing.createdAt.getTime() - START) / 1000;
      // Whoever fetched the key set when it was allowed to be cached knows the key, whichever replica answered.
      if (!this.hurried.has(signing.kid) && publishedFor < this.policy.jwksMaxAgeSeconds + 1)
        this.fail(`${signing.kid} signs after ${publishedFor} s`);
      this.tokens.set(signing.kid, this.now + this.ttlSeconds);
    }
    for (const [kid, expiresAt] of this.tokens) if (expiresAt <= this.now) this.tokens.delete(kid);
    for (const kid of this.tokens.keys()) {
      if (this.retiredByHand.has(kid)) continue;
      if (!publishedBy[0]?.has(kid)) this.fail(`a token of ${kid} is out, and its key is not`);
      // Nobody waited until the other replica had heard of a key that was put in force at once.
      const unheard = this.hurried.has(kid) && !this.known[1]?.keys.some((key) => key.kid === kid);
      if (!unheard && !publishedBy[1]?.has(kid)) this.fail(`a token of ${kid} is out, and its key is not everywhere`);
    }
    for (const kid of this.retiredByHand) if (publishedBy[0]?.has(kid)) this.fail(`${kid} is back`);
  }

  private fail(what: string): never {
    throw new Error(`after ${this.now} s: ${what}`);
  }
}

describe('SP-13: keys rotate with overlap', () => {
  test('one key is active at every instant, known before it signs, and kept while its tokens live', () => {
    fc.assert(
      fc.property(policy, fc.array(step, { maxLength: 40 }), ({ policy: checked, accessTokenTtlSeconds }, steps) => {
        expect(signingKeyProblems(checked, accessTokenTtlSeconds)).toEqual([]);
        const model = new Model(checked, accessTokenTtlSeconds);
        for (const each of steps) {
          if (each.kind === 'pass') model.pass(each.seconds);
          if (each.kind === 'keep') model.keep(each.replica);
          if (each.kind === 'rotate') model.rotate(each.force);
          if (each.kind === 'retire') model.retire(each.which);
          model.check();
        }
        model.pass(checked.rotationSeconds + checked.overlapSeconds);
      }),
      { numRuns: 300 },
    );
  });

  test('there is an active key and a next one at once, and the next one takes over by the clock alone', () => {
    const times = { rotationSeconds: 100, publishSeconds: 20, overlapSeconds: 30 };
    const first = { ...missingKey([], { times, lastSequence: 0, now: at(0) }), kid: 'a', createdAt: at(0) } as KeyTimes;
    expect(first).toMatchObject({ sequence: 1, activatesAt: at(0) });
    const due = missingKey([first], { times, lastSequence: 1, now: at(0) });
    expect(due).toEqual({ sequence: 2, activatesAt: at(100), overlapSeconds: 30 });
    const keys = [first, { ...due, kid: 'b', createdAt: at(0) } as KeyTimes];
    expect(missingKey(keys, { times, lastSequence: 2, now: at(99) })).toBeUndefined();
    const statesAt = (seconds: number) => Object.fromEntries(keyStates(keys, at(seconds)));
    expect(statesAt(99)).toEqual({ a: 'active', b: 'next' });
    expect(statesAt(100)).toEqual({ a: 'retiring', b: 'active' });
    expect(statesAt(129)).toEqual({ a: 'retiring', b: 'active' });
    expect(statesAt(130)).toEqual({ a: 'retired', b: 'active' });
  });

  test('a next key that is made late is still published for long enough', () => {
    const times = { rotationSeconds: 100, publishSeconds: 20, overlapSeconds: 30 };
    const late: KeyTimes = { kid: 'a', sequence: 1, createdAt: at(0), activatesAt: at(0), overlapSeconds: 30 };
    expect(missingKey([late], { times, lastSequence: 7, now: at(1000) })).toEqual({
      sequence: 8,
      activatesAt: at(1020),
      overlapSeconds: 30,
    });
  });

  test('where the only key left has its turn to come, it signs at once', () => {
    const keys: KeyTimes[] = [{ kid: 'b', sequence: 2, createdAt: at(0), activatesAt: at(100), overlapSeconds: 10 }];
    expect(activeKey(keys, at(1)).kid).toBe('b');
    expect(publishedKeys(keys, at(1)).map(({ kid }) => kid)).toEqual(['b']);
  });

  test('a key keeps the overlap that it was given, whatever the configuration says later', () => {
    const keys: KeyTimes[] = [
      { kid: 'a', sequence: 1, createdAt: at(0), activatesAt: at(0), overlapSeconds: 4000 },
      { kid: 'b', sequence: 2, createdAt: at(0), activatesAt: at(100), overlapSeconds: 10 },
    ];
    expect(keyStates(keys, at(4099)).get('a')).toBe('retiring');
    expect(keyStates(keys, at(4100)).get('a')).toBe('retired');
  });
});

describe('the configuration of keys', () => {
  const defaults = signingKeysSchema.parse({});

  test('is safe as it comes, with the longest life of a token', () => {
    expect(signingKeyProblems(defaults, 3600)).toEqual([]);
  });

  test.each([
    ['an overlap shorter than a token and the cache', { overlapSeconds: 599 }, /overlapSeconds must be at least 600/],
    ['a key that is used before caches have it', { publishSeconds: 301 }, /publishSeconds must be at least 302/],
    ['a cache that outlives both', { jwksMaxAgeSeconds: 86_400 }, /publishSeconds.*overlapSeconds/s],
    ['a rotation before the next key may sign', { rotationSeconds: 3599 }, /rotationSeconds must be at least/],
  ])('refuses %s', (_what, changes, words) => {
    const problems = signingKeyProblems(signingKeysSchema.parse({ ...defaults, ...changes }), 300);
    expect(problems.join('\n')).toMatch(words);
  });

  test.each([{ algorithm: 'HS256' }, { algorithm: 'none' }, { rotationSeconds: 0 }, { jwksMaxAgeSeconds: 0.5 }])(
    'refuses %j',
    (changes) => {
      expect(signingKeysSchema.safeParse(changes).success).toBe(false);
    },
  );
});

test('what is made once for each state of the keys is at every moment what would be made anew', () => {
  const times = fc.record({
    activatesIn: fc.integer({ min: -60, max: 60 }),
    overlapSeconds: fc.integer({ min: 0, max: 40 }),
  });
  fc.assert(
    fc.property(
      fc.array(times, { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: -90, max: 150 })),
      (all, moments) => {
        const keys = all.map(({ activatesIn, overlapSeconds }, index) => ({
          kid: `key ${index}`,
          sequence: index,
          createdAt: at(-100),
          activatesAt: at(activatesIn),
          overlapSeconds,
        }));
        const states = perState(keys, keyStates);
        const signs = perState(keys, activeKey);
        for (const moment of moments) {
          expect(states(at(moment))).toEqual(keyStates(keys, at(moment)));
          expect(signs(at(moment)).kid).toBe(activeKey(keys, at(moment)).kid);
        }
      },
    ),
  );
});

test('it is made anew only where a state changes', () => {
  const key = { kid: 'a', sequence: 1, createdAt: at(0), activatesAt: at(0), overlapSeconds: 10 };
  let made = 0;
  const states = perState([key, { ...key, kid: 'b', sequence: 2, activatesAt: at(20) }], () => ++made);
  expect([0, 1, 19.999, 20, 29.999, 30, 100, 19].map((seconds) => states(at(seconds)))).toEqual([
    1, 1, 1, 2, 2, 3, 3, 4,
  ]);
});
