import type { Principal } from './principal.ts';
import type { GrantRevocation } from './revoked-grants.ts';

/** Ends what is open for longer than one answer takes, when the token that it was opened with ends. */
export type TokenEnds = Readonly<{
  /** How many revocations were heard so far, to be asked before a token is judged. */
  heard(): number;
  /** Notes what a principal was judged by: `heard` from before it. Of others, what comes after `endOf` counts. */
  judged(principal: Principal, heard: number): void;
  /**
   * Aborted when the token of this principal has expired or was revoked, also when that was told since it was judged.
   * Of a personal access token every revocation counts, for it may have left the token less: its client comes again.
   *
   * @param over aborted when there is nothing left to end; then nothing is kept, and the answer is aborted too
   */
  endOf(principal: Principal, over?: AbortSignal): AbortSignal;
  /** Ends what these revocations concern. */
  end(revocations: readonly GrantRevocation[]): void;
}>;

type Open = Readonly<{ principal: Principal; end: () => void }>;

/** The longest time that a timer takes; what lives longer is looked at again then. */
const TIMER_CAP_MS = 2 ** 31 - 1;
/** Between a judgement and the opening lies the reading of one body. Whoever lets more than this pass starts again. */
const RECENT_REVOCATIONS = 10_000;

/** Keeps, for each stream that is open, one timer and its place under its grant. */
export function createTokenEnds({
  clockToleranceSeconds,
  now,
}: Readonly<{ clockToleranceSeconds: number; now: () => Date }>): TokenEnds {
  const openByGrant = new Map<string, Set<Open>>();
  const judgedAfter = new WeakMap<Principal, number>();
  const recent: GrantRevocation[] = [];
  let heard = 0;

  function hasEnded(principal: Principal): boolean {
    const missed = heard - (judgedAfter.get(principal) ?? heard);
    if (missed > recent.length) return true;
    return missed > 0 && recent.slice(-missed).some((revocation) => concerns(revocation, principal));
  }

  function keep(open: Open): () => void {
    const grant = open.principal.grantId ?? '';
    const opened = openByGrant.get(grant) ?? new Set();
    openByGrant.set(grant, opened.add(open));
    return () => {
      opened.delete(open);
      if (opened.size === 0 && openByGrant.get(grant) === opened) openByGrant.delete(grant);
    };
  }

  return {
    heard: () => heard,
    judged(principal, before) {
      judgedAfter.set(principal, before);
    },
    endOf(principal, over) {
      const ending = new AbortController();
      const end = () => ending.abort();
      if (over?.aborted || hasEnded(principal)) end();
      if (ending.signal.aborted) return ending.signal;
      const endsMs = principal.expiresAt.getTime() + clockToleranceSeconds * 1000;
      const letGo = keep({ principal, end });
      const stopTimer = atTime({ endsMs, now }, end);
      over?.addEventListener('abort', end);
      ending.signal.addEventListener('abort', () => {
        letGo();
        stopTimer();
        over?.removeEventListener('abort', end);
      });
      return ending.signal;
    },
    end(revocations) {
      heard += revocations.length;
      for (const revocation of revocations) {
        recent.push(revocation);
        for (const { principal, end } of [...(openByGrant.get(revocation.gid) ?? [])])
          if (concerns(revocation, principal)) end();
      }
      recent.splice(0, recent.length - RECENT_REVOCATIONS);
    },
  };
}

function concerns({ gid, issuedUntil }: GrantRevocation, { grantId, credential, issuedAt }: Principal): boolean {
  if (gid !== grantId) return false;
  return credential === 'personal_access_token' || issuedAt.getTime() / 1000 <= issuedUntil;
}

/** Does something at a time, however far away; keeps no process alive. The answer calls it off. */
function atTime({ endsMs, now }: { endsMs: number; now: () => Date }, act: () => void): () => void {
  let timer: unknown;
  function wait(): void {
    const leftMs = endsMs - now().getTime();
    const isLast = leftMs <= TIMER_CAP_MS;
    timer = setTimeout(isLast ? act : wait, isLast ? Math.max(leftMs, 0) : TIMER_CAP_MS);
    // Elsewhere than in Node.js a timer is a number, and keeps nothing alive.
    if (isReferable(timer)) timer.unref();
  }
  wait();
  return () => {
    // Node.js keeps a list of timers for each length of time, and lets go of an empty one only where timers keep it alive.
    if (isReferable(timer)) timer.ref();
    clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
  };
}

function isReferable(timer: unknown): timer is { ref(): void; unref(): void } {
  return typeof timer === 'object' && timer !== null && 'unref' in timer;
}
