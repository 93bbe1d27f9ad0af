/** What a signing key's state follows from. */
export type KeyTimes = Readonly<{
  kid: string;
  /** Counts the keys that were ever made; no two have the same. */
  sequence: number;
  /** From then on it is in the key set. */
  createdAt: Date;
  /** From then on it signs, until the next key's turn comes. */
  activatesAt: Date;
  /** For how long it stays in the key set after its turn. */
  overlapSeconds: number;
}>;

/**
 * `next`: published, so that everybody knows it before it signs. `active`: signs. `retiring`: published while tokens
 * that it signed are out. `retired`: not published, and never used again.
 */
export type KeyState = 'next' | 'active' | 'retiring' | 'retired';

/** When keys take turns, in seconds. */
export type RotationTimes = Readonly<{ rotationSeconds: number; publishSeconds: number; overlapSeconds: number }>;

/** The place of a key that has to be made. */
export type NewKey = { sequence: number; activatesAt: Date; overlapSeconds: number };

/**
 * The state of each key that nobody has retired by hand. Of any number of keys exactly one is active at any moment: the
 * one whose turn came last, or the first one while no turn has come (a key may be retired, or a clock be behind).
 */
export function keyStates(keys: readonly KeyTimes[], now: Date): Map<string, KeyState> {
  const inTurn = [...keys].sort(byTurn);
  const active = Math.max(0, inTurn.filter(({ activatesAt }) => activatesAt <= now).length - 1);
  const stateOf = (key: KeyTimes, place: number): KeyState => {
    if (place >= active) return place === active ? 'active' : 'next';
    return publishedUntil(key, inTurn[place + 1]) > now ? 'retiring' : 'retired';
  };
  return new Map(inTurn.map((key, place) => [key.kid, stateOf(key, place)]));
}

/**
 * Makes something of the keys for a moment, and the same again for each moment between the same two changes of a state:
 * what is made must depend on the states alone.
 */
export function perState<Key extends KeyTimes, Made>(
  keys: readonly Key[],
  make: (keys: readonly Key[], now: Date) => Made,
): (now: Date) => Made {
  const changesMs = stateChanges(keys).map((moment) => moment.getTime());
  let last: { sinceMs: number; untilMs: number; made: Made } | undefined;
  return (now) => {
    const nowMs = now.getTime();
    if (last && nowMs >= last.sinceMs && nowMs < last.untilMs) return last.made;
    const sinceMs = Math.max(Number.NEGATIVE_INFINITY, ...changesMs.filter((ms) => ms <= nowMs));
    const untilMs = Math.min(Number.POSITIVE_INFINITY, ...changesMs.filter((ms) => ms > nowMs));
    last = { sinceMs, untilMs, made: make(keys, now) };
    return last.made;
  };
}

/** The only moments at which a key may get another state. */
function stateChanges(keys: readonly KeyTimes[]): Date[] {
  return [...keys]
    .sort(byTurn)
    .flatMap((key, place, inTurn) => [key.activatesAt, publishedUntil(key, inTurn[place + 1])]);
}

/** The key that signs now. @throws {TypeError} when there are no keys */
export function activeKey<Key extends KeyTimes>(keys: readonly Key[], now: Date): Key {
  const states = keyStates(keys, now);
  const active = keys.find(({ kid }) => states.get(kid) === 'active');
  if (!active) throw new TypeError('there is no signing key');
  return active;
}

/** The keys of the key set, the one that signs first. */
export function publishedKeys<Key extends KeyTimes>(keys: readonly Key[], now: Date): Key[] {
  const states = keyStates(keys, now);
  const rank = ({ kid }: Key) => (states.get(kid) === 'active' ? 0 : 1);
  return keys.filter(({ kid }) => states.get(kid) !== 'retired').sort((a, b) => rank(a) - rank(b) || byTurn(a, b));
}

/** When a key that has had its turn leaves the key set; undefined for one whose turn is not over. */
export function leavesAt(key: KeyTimes, keys: readonly KeyTimes[], now: Date): Date | undefined {
  if (keyStates(keys, now).get(key.kid) !== 'retiring') return undefined;
  const inTurn = [...keys].sort(byTurn);
  return publishedUntil(key, inTurn[inTurn.findIndex(({ kid }) => kid === key.kid) + 1]);
}

/** The key whose turn is next; undefined while there is none. */
export function nextKey<Key extends KeyTimes>(keys: readonly Key[], now: Date): Key | undefined {
  const states = keyStates(keys, now);
  return [...keys].sort(byTurn).find(({ kid }) => states.get(kid) === 'next');
}

/** From when on a key may sign without anybody meeting it unprepared. */
export function mayActivateAt({ createdAt }: KeyTimes, { publishSeconds }: RotationTimes): Date {
  return after(createdAt, publishSeconds);
}

/**
 * The key that is missing: there is always a next one, so that a rotation finds it published already. Everybody who
 * looks at the same keys names the same sequence, and one of them makes it.
 */
export function missingKey(
  keys: readonly KeyTimes[],
  { times, lastSequence, now }: { times: RotationTimes; lastSequence: number; now: Date },
): NewKey | undefined {
  const { overlapSeconds } = times;
  if (keys.length === 0) return { sequence: lastSequence + 1, activatesAt: now, overlapSeconds };
  if (nextKey(keys, now)) return undefined;
  const turnEnds = after(activeKey(keys, now).activatesAt, times.rotationSeconds);
  const published = after(now, times.publishSeconds);
  return {
    sequence: lastSequence + 1,
    activatesAt: turnEnds > published ? turnEnds : published,
    overlapSeconds,
  };
}

function publishedUntil(key: KeyTimes, successor: KeyTimes | undefined): Date {
  return after(successor?.activatesAt ?? key.activatesAt, key.overlapSeconds);
}

function byTurn(a: KeyTimes, b: KeyTimes): number {
  return a.activatesAt.getTime() - b.activatesAt.getTime() || a.sequence - b.sequence;
}

function after(moment: Date, seconds: number): Date {
  return new Date(moment.getTime() + seconds * 1000);
}
