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

function matches(hostname: string, pattern: string): boolean {
  return pattern.startsWith('*.') ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
}
