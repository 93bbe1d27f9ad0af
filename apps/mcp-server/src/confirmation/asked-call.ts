import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { ToolPrincipal } from '../tools/tool.ts';

/** A call that its user has to confirm, with its arguments as the tool will get them. */
export type AskedCall = {
  tool: { name: string; title: string };
  arguments: Readonly<Record<string, unknown>>;
  principal: ToolPrincipal;
  /** Aborted when the caller is gone. */
  signal: AbortSignal;
};

/** What a user said to a call, if anything. */
export type Consent =
  | { given: true }
  | { given: false; reason: 'denied' | 'not-this-call' | 'used' | 'nobody-to-ask' }
  | { given: false; reason: 'asked'; where: AskedWhere };

/** Where a user is asked: by the client, in a form with `state` for the answer, or on a page at `url`. */
type AskedWhere = { by: 'client'; state: string } | { by: 'page'; url: string };

/** Names a tool with these very arguments, in whatever order. @see RFC 8785 */
export function callHash({ tool, arguments: args }: Pick<AskedCall, 'tool' | 'arguments'>): string {
  const named = canonicalize([tool.name, args]);
  if (named === undefined) throw new TypeError('a call has no canonical form');
  return createHash('sha256').update(named).digest('base64url');
}
