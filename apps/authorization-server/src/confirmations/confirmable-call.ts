import { hashToken } from '@portcullis/persistence';
import canonicalize from 'canonicalize';
import { z } from 'zod';

const TEXT_CAP = 500;

/** What the server of a resource says about a call that its user shall confirm. */
const confirmableCall = z.strictObject({
  /** `sub`, `client_id` and `gid` of the token that the call came with. */
  subject: z.string().min(1).max(TEXT_CAP),
  clientId: z.string().min(1).max(TEXT_CAP),
  grantId: z.string().min(1).max(TEXT_CAP),
  tool: z.strictObject({ name: z.string().min(1).max(128), title: z.string().min(1).max(TEXT_CAP) }),
  arguments: z.record(z.string(), z.json()),
});

/** A call that its user shall confirm. */
export type ConfirmableCall = z.output<typeof confirmableCall>;

/** Reads it; undefined where something is missing, too much or of another form. */
export function readConfirmableCall(body: unknown): ConfirmableCall | undefined {
  const read = confirmableCall.safeParse(body);
  return read.success ? read.data : undefined;
}

/**
 * Names this very call: another resource, user, grant, client, tool or argument makes another one of it, and the order
 * of arguments does not.
 *
 * @see RFC 8785
 */
export function callHash(resource: string, call: ConfirmableCall): string {
  const { subject, grantId, clientId, tool } = call;
  const named = canonicalize([resource, subject, grantId, clientId, tool.name, call.arguments]);
  if (named === undefined) throw new TypeError('a call has no canonical form');
  return hashToken(named);
}
