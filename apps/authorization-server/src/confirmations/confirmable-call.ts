import { hashToken } from '@portcullis/persistence';
import { hasCanonicalForm } from '@portcullis/platform';
import canonicalize from 'canonicalize';
import { z } from 'zod';

const TEXT_CAP = 500;

/** Nothing is named by control characters, and PostgreSQL refuses one of them. */
const named = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^\P{Cc}*$/u);

/** What the server of a resource says about a call that its user shall confirm. */
const confirmableCall = z
  .strictObject({
    /** `sub`, `client_id` and `gid` of the token that the call came with. */
    subject: named(TEXT_CAP),
    clientId: named(TEXT_CAP),
    grantId: named(TEXT_CAP),
    tool: z.strictObject({ name: named(128), title: z.string().min(1).max(TEXT_CAP) }),
    arguments: z.record(z.string(), z.json()),
  })
  // Whoever calls a tool chooses its arguments, and half a surrogate pair can be among them.
  .refine(hasCanonicalForm);

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
