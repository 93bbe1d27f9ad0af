import { StartupError } from '@portcullis/platform';
import type { Limits } from './limits.ts';

/** What one call of a tool may cost whoever makes it. */
export type PolicyDeclaration = {
  /** Points that a call takes from the budgets, 1 by default: more for what is dear to run. */
  cost?: number;
  /** Calls by one user in a minute, where the tool allows fewer than {@link Limits.toolCallsPerMinute}. */
  callsPerMinute?: number;
};

/** The largest page that any tool may give. */
const PAGE_CAP = 100;

type Declared = PolicyDeclaration & { name: string; listing: { inputSchema: { [keyword: string]: unknown } } };

/**
 * Refuses declarations that limit nothing, and budgets in which not a single call has room.
 * @throws {StartupError} naming each tool and what to change.
 */
export function assertPolicies(tools: readonly Declared[], limits: Limits): void {
  const problems = tools.flatMap((tool) => policyProblems(tool, limits).map((text) => `Tool ${tool.name}: ${text}`));
  if (problems.length > 0) throw new StartupError(problems);
}

function policyProblems({ cost = 1, callsPerMinute, listing }: Declared, { user }: Limits): string[] {
  const problems: string[] = [];
  if (!isCount(cost)) problems.push('the cost must be a whole number from 1 on.');
  else if (cost > user.pointsPerMinute) {
    problems.push(`a call costs ${cost} points; set PORTCULLIS_MCP_USER_POINTS_PER_MINUTE to no less.`);
  }
  if (callsPerMinute !== undefined && !isCount(callsPerMinute)) {
    problems.push('callsPerMinute must be a whole number from 1 on.');
  }
  if (!hasPagingCap(listing.inputSchema))
    problems.push(`the argument "limit" must have a maximum of ${PAGE_CAP} at most.`);
  return problems;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

/** Lists are asked for with `limit`, and none may be asked for whole. */
function hasPagingCap({ properties }: { [keyword: string]: unknown }): boolean {
  const limit: unknown = isObject(properties) ? properties.limit : undefined;
  if (!isObject(limit)) return true;
  return typeof limit.maximum === 'number' && limit.maximum <= PAGE_CAP;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
