import { secondsAfter } from './client-lifetimes.ts';
import type { Database } from './database.ts';
import { parseOptional } from './engine-adapter/payload-form.ts';
import type { Client, Grant } from './generated/postgresql/client.ts';
import { type Revocation, recordRevocations } from './revocation-log.ts';
import { hashToken } from './token-hash.ts';

/** One grant, or all of a client, of a user, or of a user's with a client. */
export type GrantSelection = { id: string } | { clientId: string } | { userId: string; clientId?: string };

/**
 * Ends grants with their codes and refresh tokens, forgets what was agreed to for them (SP-16), and has resource
 * servers refuse their access tokens. To be called within a transaction.
 *
 * @returns how many grants there were
 */
export async function endGrants(
  within: Database,
  { grants, now }: { grants: GrantSelection; now: Date },
): Promise<number> {
  const { prisma } = within;
  const count = await endGrantsAlone(within, { grants, now });
  const tokens = 'id' in grants ? { grantId: grants.id } : grants;
  await prisma.refreshToken.deleteMany({ where: tokens });
  await prisma.authorizationCode.deleteMany({ where: tokens });
  return count;
}

/** The same without the codes and refresh tokens, which are worth nothing without their grant. */
export async function endGrantsAlone(
  within: Database,
  { grants, now }: { grants: GrantSelection; now: Date },
): Promise<number> {
  const { prisma } = within;
  const ended = await prisma.grant.findMany({ where: grants });
  await recordRevocations(within, { revocations: ended.flatMap((grant) => revocationsOf(grant, undefined)), now });
  const [only] = ended;
  if (!('id' in grants)) await prisma.consent.deleteMany({ where: grants });
  else if (only) await prisma.consent.deleteMany({ where: { userId: only.userId, clientId: only.clientId } });
  return (await prisma.grant.deleteMany({ where: grants })).count;
}

/**
 * Has resource servers refuse the access tokens of grants that were issued until a moment. The grants stay, and tokens
 * that are issued later are good. To be called within a transaction.
 */
export async function endTokens(
  within: Database,
  { grants, issuedUntil, now }: { grants: GrantSelection; issuedUntil: Date; now: Date },
): Promise<void> {
  const touched = await within.prisma.grant.findMany({ where: { ...grants, expiresAt: { gt: now } } });
  await recordRevocations(within, { revocations: touched.flatMap((grant) => revocationsOf(grant, issuedUntil)), now });
}

/**
 * The same for tokens of before a change, where grants stay in use. A token names the second in which it was issued, and
 * the clock of another replica may be a little ahead: what was issued in this second and the next is refused, and new
 * tokens wait until these are over. Whatever is on its way is not written down any more, see `RedemptionStore`.
 */
export async function endTokensSoFar(
  within: Database,
  { grants, now }: { grants: GrantSelection; now: Date },
): Promise<void> {
  // Once they are locked, nothing is written down for them that does not see this; until then time may have passed.
  await within.prisma.grant.updateMany({ where: grants, data: { tokensEndedUntil: now } });
  const lockedAt = now.getTime() + within.elapsedMs();
  const issuedUntil = new Date(Math.floor(lockedAt / 1000) * 1000 + 1000);
  await within.prisma.grant.updateMany({ where: grants, data: { tokensEndedUntil: issuedUntil } });
  await endTokens(within, { grants, issuedUntil, now });
}

/** The tokens that a machine got in its own name, for each resource that it may name. */
export function machineRevocations(
  { id, allowedResources }: Pick<Client, 'id' | 'allowedResources'>,
  issuedUntil: Date | undefined,
): Revocation[] {
  const resources = parseOptional<string[]>(allowedResources) ?? [];
  return resources.map((resource) => ({ grantId: machineGrantId(id, resource), resource, issuedUntil }));
}

/** A machine has no grant of a user's; what stands in its place is the same for one client and resource. */
export function machineGrantId(clientId: string, resource: string): string {
  return `m-${hashToken(JSON.stringify([clientId, resource])).slice(0, 22)}`;
}

/** How long a token request may take that began before its user or client was disabled, and that nobody stopped. */
const REQUEST_SECONDS = 10;

/** Covers tokens of requests that were under way at `now`. */
export function untilRequestsEnd(now: Date): Date {
  return secondsAfter(now, REQUEST_SECONDS);
}

/** The last second whose tokens were all issued before `now`. */
export function untilSecondBefore(now: Date): Date {
  return new Date(Math.floor(now.getTime() / 1000) * 1000 - 1000);
}

/** The tokens of a grant, for each resource that it names. */
export function revocationsOf(
  { id, resources }: Pick<Grant, 'id' | 'resources'>,
  issuedUntil: Date | undefined,
): Revocation[] {
  const granted = Object.keys(parseOptional<Record<string, string>>(resources) ?? {});
  return granted.map((resource) => ({ grantId: id, resource, issuedUntil }));
}
