/** What a host's documents are good for: used, refused, or shown to an administrator first (AS-34). */
export type Trust = 'allow' | 'deny' | 'ask';

/** Lists of hosts, exact or `*.` for all below one, and what holds for all others. */
export type TrustPolicy = Readonly<Record<Trust, readonly string[]>> & Readonly<{ default: Trust }>;

/** Judges the host of a client's URL. Where lists disagree the stricter one counts. */
export function trustOf(clientId: string, policy: TrustPolicy): Trust {
  const { hostname } = new URL(clientId);
  const order: Trust[] = ['deny', 'ask', 'allow'];
  return order.find((trust) => policy[trust].some((pattern) => matches(hostname, pattern))) ?? policy.default;
}

/**
 * Whether somebody who runs this server has named the host, or has to approve each client from it. A host that is let
 * in only because all are is nobody's.
 */
export function isHostVouchedFor(clientId: string, policy: TrustPolicy): boolean {
  const strangers = policy.default === 'allow' ? 'deny' : policy.default;
  return trustOf(clientId, { ...policy, default: strangers }) !== 'deny';
}

function matches(hostname: string, pattern: string): boolean {
  return pattern.startsWith('*.') ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
}
