import {
  createPersonalAccessTokenStore,
  createUserStore,
  type Database,
  PERSONAL_ACCESS_TOKENS_PER_USER,
  type PersonalAccessToken,
  type User,
} from '@portcullis/persistence';
import type { AdminAnswer } from '@portcullis/platform';
import { issuePersonalAccessToken, tokenDetail } from '../personal-access-tokens/issue.ts';
import { judgeTokenRequest, type TokenRequestRefusal } from '../personal-access-tokens/token-request.ts';
import { createResourceCatalogue, type FixedResources } from '../resource-catalogue.ts';
import type { RolePermissions } from '../roles.ts';
import { type AdminCall, type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeInTime, placeOf } from './page-cursor.ts';
import type { AdminRefusal } from './problem.ts';
import { type ChangeOutcome, recordedChange } from './recorded-change.ts';
import { findUser } from './users.ts';

/** What administering personal access tokens needs. */
export type TokenAdministration = { database: Database; fixedResources: FixedResources; roles: RolePermissions };

type TokenOperation = 'listPersonalAccessTokens' | 'issuePersonalAccessToken' | 'revokePersonalAccessToken';

/** The operations on personal access tokens. */
export function personalAccessTokenHandlers(deps: TokenAdministration): AdminHandlers<TokenOperation> {
  const { database } = deps;
  return {
    async listPersonalAccessTokens({ query: { cursor, limit, user }, now }) {
      const position = cursor === undefined ? undefined : placeOf(cursor, placeInTime);
      if (cursor !== undefined && !position) return refuse(FOREIGN_CURSOR);
      const users = createUserStore(database);
      const userId = user === undefined ? undefined : ((await findUser(users, user))?.id ?? user);
      const after = position && { createdAt: position[0], id: position[1] };
      const tokens = await createPersonalAccessTokenStore(database).list({ userId, after, limit: limit + 1, now });
      const holders = await holdersOf(tokens, database);
      return {
        ok: true,
        answer: pageOf(tokens, {
          limit,
          place: ({ createdAt, id }) => [createdAt, id],
          item: (token) => shown(token, holders.get(token.userId)),
        }),
      };
    },
    issuePersonalAccessToken: (call) => recordedChange(database, call, (within) => issue(call, { within, deps })),
    revokePersonalAccessToken: (call) =>
      recordedChange(database, call, async (within) => {
        const id = call.params.token ?? '';
        const token = await createPersonalAccessTokenStore(within).revoke({ id, now: call.now });
        if (!token) return refuse({ reason: 'not_found', what: 'such token; a token is named by its id' });
        const { userId: user, resource } = token;
        return {
          ok: true,
          answer: { personalAccessToken: shown(token, (await holdersOf([token], within)).get(user)) },
          event: { type: 'personal_access_token.revoked', resource, detail: { ...tokenDetail(token), user } },
        };
      }),
  };
}

async function issue(
  { body, by, now }: AdminCall<'issuePersonalAccessToken'>,
  { within, deps }: { within: Database; deps: TokenAdministration },
): Promise<ChangeOutcome<AdminAnswer<'issuePersonalAccessToken'>>> {
  if (body.user === undefined && by.kind === 'client') return refuse(NAMES_NO_USER);
  const user = await findUser(createUserStore(within), body.user ?? by.subject);
  if (!user) return refuse({ reason: 'not_found', what: 'such user' });
  if (user.disabledAt) return refuse(DISABLED);
  const catalogue = createResourceCatalogue(deps.fixedResources, within);
  const resource = body.resource === undefined ? catalogue.standard : await catalogue.find(body.resource);
  const holder = { roles: user.roles, permissions: deps.roles };
  const verdict = judgeTokenRequest({ resource, scopes: body.scopes }, holder);
  if (!verdict.ok || !resource) return refuse(verdict.ok ? UNKNOWN_RESOURCE : refusalFor(verdict.refusal));
  const issued = await issuePersonalAccessToken(within, {
    name: body.name,
    user,
    resource: resource.url,
    scopes: verdict.scopes,
    issuedBy: by.subject === user.id ? undefined : by.subject,
    days: body.days,
    now,
  });
  if (!issued) return refuse(TOO_MANY);
  const { token, record } = issued;
  return {
    ok: true,
    answer: { token, personalAccessToken: shown(record, user) },
    event: {
      type: 'personal_access_token.issued',
      resource: resource.url,
      detail: { ...tokenDetail(record), user: user.id },
    },
  };
}

const NAMES_NO_USER: AdminRefusal = {
  reason: 'invalid_request',
  errors: [{ field: 'user', problem: 'must be named: a machine has no account for which it could make a token' }],
};
const DISABLED: AdminRefusal = { reason: 'conflict', detail: 'This user is disabled.' };
const TOO_MANY: AdminRefusal = {
  reason: 'conflict',
  detail: `This user has ${PERSONAL_ACCESS_TOKENS_PER_USER} tokens already. Revoke some first.`,
};
const UNKNOWN_RESOURCE: AdminRefusal = {
  reason: 'invalid_request',
  errors: [{ field: 'resource', problem: 'is no resource for which tokens can be made' }],
};

function refusalFor(refusal: TokenRequestRefusal): AdminRefusal {
  const invalid = (field: string, problem: string): AdminRefusal => ({
    reason: 'invalid_request',
    errors: [{ field, problem }],
  });
  switch (refusal.reason) {
    case 'unknown_resource':
      return UNKNOWN_RESOURCE;
    case 'bound_resource':
      return invalid('resource', 'takes only tokens that are bound to a key, which a fixed header cannot be');
    case 'no_scope':
      return invalid('scopes', 'must name at least one');
    case 'not_permitted':
      return invalid('scopes', `the roles of this user do not permit ${refusal.scopes.join(', ')} there`);
  }
}

async function holdersOf(tokens: readonly PersonalAccessToken[], database: Database): Promise<Map<string, User>> {
  const ids = [...new Set(tokens.map(({ userId }) => userId))];
  const users = await Promise.all(ids.map((id) => createUserStore(database).findById(id)));
  return new Map(users.flatMap((user) => (user ? [[user.id, user]] : [])));
}

function shown(token: PersonalAccessToken, user: User | undefined) {
  return {
    ...token,
    userEmail: user?.email ?? null,
    issuedBy: token.issuedBy ?? null,
    createdAt: token.createdAt.toISOString(),
    expiresAt: token.expiresAt.toISOString(),
    lastUsedAt: token.lastUsedAt?.toISOString() ?? null,
  };
}
