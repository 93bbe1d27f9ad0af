import {
  createLinkedIdentityStore,
  createUserStore,
  type Database,
  identityUnlinked,
  type LinkedIdentity,
} from '@portcullis/persistence';
import type { AdminAnswer } from '@portcullis/platform';
import type { IdentityProviders } from '../enterprise/identity-provider.ts';
import { unlinkIdentity } from '../identities/unlink-identity.ts';
import { issuersOf, type SignInProviders } from '../upstream/sign-in-flow.ts';
import { type AdminHandlers, refuse } from './handler.ts';
import type { AdminRefusal } from './problem.ts';
import { recordedChange } from './recorded-change.ts';
import { findUser, LAST_ADMINISTRATOR, shownUser, UNKNOWN_USER } from './users.ts';

/** What administering accounts elsewhere needs: the providers are those of the configuration. */
export type IdentityAdministration = {
  database: Database;
  signInProviders: SignInProviders;
  identityProviders: IdentityProviders;
};

type IdentityOperation = 'listIdentities' | 'linkIdentity' | 'unlinkIdentity';

/** The operations on accounts elsewhere that are users here. */
export function identityHandlers(deps: IdentityAdministration): AdminHandlers<IdentityOperation> {
  const { database, signInProviders } = deps;
  return {
    async listIdentities({ params }) {
      const user = await findUser(createUserStore(database), params.user);
      if (!user) return refuse(UNKNOWN_USER);
      const items = (await createLinkedIdentityStore(database).list(user.id)).map(shownIdentity);
      return { ok: true, answer: { items } };
    },
    linkIdentity: (call) =>
      recordedChange(database, call, async (within) => {
        const { identityProvider: issuer, subject } = call.body;
        const known = knownProviders(deps);
        if (!known.includes(issuer)) return refuse(unknownProvider(known));
        const [users, identities] = [createUserStore(within), createLinkedIdentityStore(within)];
        const user = await findUser(users, call.params.user);
        if (!user) return refuse(UNKNOWN_USER);
        const present = await identities.find({ issuer, subject });
        if (present)
          return refuse(taken(present.userId === user.id ? undefined : await users.findById(present.userId)));
        await identities.link({ issuer, subject, userId: user.id, now: call.now });
        const identity = await identities.find({ issuer, subject });
        if (!identity) throw new Error('an identity that was just linked is not there');
        return {
          ok: true,
          event: { type: 'user.identity_linked', detail: eventDetail(user.id, identity) },
          answer: { user: await shownUser(user, within), identity: shownIdentity(identity) },
        };
      }),
    unlinkIdentity: (call) =>
      recordedChange(database, call, async (within) => {
        const found = await findUser(createUserStore(within), call.params.user);
        if (!found) return refuse(UNKNOWN_USER);
        const userId = found.id;
        const { identityProvider: issuer, subject } = call.query;
        const linked = await createLinkedIdentityStore(within).find({ issuer, subject });
        if (!linked) return refuse(UNKNOWN_IDENTITY);
        const unlinking = { id: linked.id, userId, signInProviders, mayShutOut: true, now: call.now };
        const unlinked = await unlinkIdentity(within, unlinking);
        if (!unlinked.ok) return refuse(unlinked.reason === 'absent' ? UNKNOWN_IDENTITY : LAST_ADMINISTRATOR);
        const { user, identity } = unlinked;
        return {
          ok: true,
          event: identityUnlinked({ user: userId }, { identity, rolesTaken: identity.givenRoles }),
          answer: { user: await shownUser(user, within), identity: shownIdentity(identity) },
        };
      }),
  };
}

const UNKNOWN_IDENTITY: AdminRefusal = { reason: 'not_found', what: 'such account elsewhere of this user' };

/** A name with a typing error would never sign anybody in, or whoever takes that name later. */
function unknownProvider(known: readonly string[]): AdminRefusal {
  const problem =
    known.length > 0 ? `is none that the configuration names; there are ${known.join(', ')}` : NO_PROVIDERS;
  return { reason: 'invalid_request', errors: [{ field: 'identityProvider', problem }] };
}

const NO_PROVIDERS =
  'is none that the configuration names; it names none (upstreams.<name>.signIn, enterpriseAuthorization)';

function knownProviders({ signInProviders, identityProviders }: IdentityAdministration): string[] {
  return [...new Set([...issuersOf(signInProviders), ...Object.keys(identityProviders)])];
}

function taken(other: { email: string } | undefined): AdminRefusal {
  const detail = other
    ? `That account is ${other.email} here. Unlink it there first.`
    : 'That account is linked to this user already.';
  return { reason: 'conflict', detail };
}

function eventDetail(user: string, { issuer, subject }: LinkedIdentity) {
  return { user, identityProvider: issuer, upstreamSubject: subject };
}

function shownIdentity(identity: LinkedIdentity): AdminAnswer<'unlinkIdentity'>['identity'] {
  const { issuer, subject, label, givenRoles, createdAt, lastUsedAt } = identity;
  return {
    identityProvider: issuer,
    subject,
    label: label ?? null,
    rolesGiven: givenRoles,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  };
}
