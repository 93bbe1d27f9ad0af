import type { UpstreamUse } from '@portcullis/platform';
import type { Upstream } from './upstream.ts';

/** What is wrong: which member, and why. */
type UseProblem = [path: string[], message: string];

/** What is wrong about how a resource uses an upstream. A page can only ask for what there are words for. */
export function upstreamUseProblems(
  use: UpstreamUse,
  { scopes, upstreams }: { scopes: object; upstreams: readonly Upstream[] },
): UseProblem[] {
  const upstream = upstreams.find(({ key }) => key === use.name);
  const names = upstreams.map(({ key }) => key).join(', ');
  if (!upstream) return [[['name'], `is none of upstreams: ${names || 'there are none'}`]];
  return Object.entries(use.scopes).flatMap(([scope, needed]): UseProblem[] => {
    const problem = (message: string): UseProblem => [['scopes', scope], message];
    const foreign = Object.hasOwn(scopes, scope) ? [] : [problem('is no scope of this resource')];
    const wordless = needed.filter((name) => !Object.hasOwn(upstream.scopes, name));
    if (wordless.length === 0) return foreign;
    const words = `needs ${wordless.join(', ')}: say what that means in upstreams → ${use.name} → scopes`;
    return [...foreign, problem(words)];
  });
}

/**
 * Which upstreams are used for several sets of scopes, although each of their tokens has all that its user ever agreed
 * to: whoever has one set there has all of them.
 */
export function accumulationProblems(
  upstreams: readonly Upstream[],
  uses: readonly UpstreamUse[],
): { key: string; message: string }[] {
  const accumulating = upstreams.filter(({ scopesAccumulate }) => scopesAccumulate);
  return accumulating.flatMap((upstream) => {
    // Two names for one client there do not keep its tokens apart.
    const names = accumulating.filter((other) => isSameClient(upstream, other)).map(({ key }) => key);
    const needed = uses.filter(({ name }) => names.includes(name)).flatMap(({ scopes }) => Object.values(scopes));
    const sets = [...new Set(needed.map((scopes) => [...new Set(scopes)].sort().join(' ')))];
    if (sets.length < 2) return [];
    const union = [...new Set(needed.flat())].sort().join(' ');
    const message = `gives each token all that its user ever agreed to for one client there, so all scopes of all resources must need the same scopes of it, not ${sets.map((set) => `[${set}]`).join(' and ')}. Let each of them need [${union}]; or register a client there for each set, and give each an upstream of its own here, with its own clientId`;
    return [{ key: upstream.key, message }];
  });
}

function isSameClient(one: Upstream, other: Upstream): boolean {
  return one.issuer === other.issuer && one.clientId === other.clientId;
}
