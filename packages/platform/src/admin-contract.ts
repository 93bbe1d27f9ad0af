import { z } from 'zod';
import { checkScopeNames, resourceFields } from './resource-definition.ts';

/** The areas of administration; each is a scope of the resource `<issuer>/admin`, in the words of the consent page. */
export const ADMIN_SCOPES = {
  'admin:users': 'Add, change and disable users, and read who they are',
  'admin:clients': 'Register, change and remove apps',
  'admin:resources': 'Add and remove protected servers, and give them credentials',
  'admin:grants': 'See what users have allowed, and end it',
  'admin:tokens': 'Make and revoke personal access tokens, which act in the name of any user',
  'admin:registration-tokens': 'Issue and revoke tokens with which apps register',
  'admin:keys': 'See the keys that sign tokens, and replace them',
  'admin:audit': 'Read the audit trail',
} as const;

/** One of {@link ADMIN_SCOPES}. */
export type AdminScope = keyof typeof ADMIN_SCOPES;

/** The client id of the command line, which every Portcullis knows. */
export const CLI_CLIENT_ID = 'portcullis-cli';

/** Where the admin API lies below the issuer. */
export const ADMIN_API_PATH = '/admin/api/v1';

/** The resource of the admin API: the audience of every token that it takes. */
export function adminResourceUrl(issuer: string): string {
  return `${issuer}/admin`;
}

const text = (maxLength: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    // No name has control characters, and a terminal obeys them.
    .regex(/^\P{Cc}*$/u, 'must not contain control characters');
const moment = z.iso.datetime();
/** A moment that a database can be asked about: PostgreSQL knows no year 0. */
const knownMoment = moment.refine((value) => !value.startsWith('0000'), 'must not be in the year 0');
const scopeToken = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, 'is no scope (RFC 6749 section 3.3)');
const resourceUrl = z
  .string()
  .max(2048)
  .refine((value) => URL.canParse(value) && !value.includes('#'), 'must be an absolute URL without a fragment');
const email = z.email('is no e-mail address').max(254);
const none = z.strictObject({});

const paging = {
  cursor: z.string().max(1000).optional().describe('`next` of the page before.'),
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('How many entries a page has at most.'),
};

/** A page of a list; `next` leads to the page after it, and is missing on the last one. */
function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().optional() });
}

const user = z.object({
  id: z.string(),
  email: z.string(),
  roles: z.array(z.string()),
  hasPassword: z.boolean(),
  signsInElsewhere: z.boolean().describe('Whether an account at another service is linked, and signs them in.'),
  disabledAt: moment.nullable(),
});

const userWithLink = z.object({
  user,
  passwordLink: z
    .string()
    .optional()
    .describe('With this link the person sets a password, once, within an hour. It is shown here only.'),
});

/** Compared character by character wherever it is used, so nothing is trimmed here. */
const exactly = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^\P{Cc}*$/u, 'must not contain control characters');

const identityName = {
  identityProvider: exactly(2048).describe('The issuer identifier of a provider, as the configuration has it.'),
  subject: exactly(1000).describe('How the provider names the person (`sub`), exactly.'),
};

const identity = z.object({
  identityProvider: z.string().describe('The issuer identifier of the provider.'),
  subject: z.string().describe('How the provider names the person (`sub`).'),
  label: z
    .string()
    .nullable()
    .describe('What the provider last called the person; it says nothing about who they are.'),
  rolesGiven: z.array(z.string()).describe('Roles that the user has by groups there; they go with the identity.'),
  createdAt: moment,
  lastUsedAt: moment.nullable(),
});

const grant = z.object({
  id: z.string(),
  userId: z.string(),
  userEmail: z.string().nullable(),
  clientId: z.string(),
  clientName: z.string().nullable(),
  identityProvider: z.string().nullable().describe('Who allowed it in place of the user; null where the user did.'),
  resources: z.record(z.string(), z.array(z.string())),
  issuedAt: moment,
  lastUsedAt: moment.nullable(),
  expiresAt: moment,
});

const auditEvent = z.object({
  id: z.string(),
  time: moment,
  type: z.string(),
  outcome: z.enum(['success', 'error', 'denied']),
  subject: z.string().optional(),
  client: z.string().optional(),
  resource: z.string().optional(),
  tool: z.string().optional(),
  address: z.string().optional(),
  correlationId: z.string().optional(),
  durationMs: z.number().optional(),
  sizeBytes: z.number().optional(),
  arguments: z.record(z.string(), z.unknown()).optional(),
  detail: z.record(z.string(), z.unknown()).optional(),
});

/** A record with its place in the chain (SP-37). */
const sealedRecord = z.object({
  seq: z.int().describe('Counts from 1, without gaps.'),
  previousHash: z.string(),
  hash: z.string().describe('SHA-256 of the record without this member, in canonical JSON (RFC 8785).'),
  ...auditEvent.shape,
});

const keySet = z
  .object({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(20) })
  .refine(
    ({ keys }) => keys.every(({ kty }) => kty === 'EC' || kty === 'RSA' || kty === 'OKP'),
    'must hold public keys only: EC, RSA or OKP',
  )
  .refine(({ keys }) => keys.every((key) => !('d' in key)), 'holds a private key: keep that, and send the public part');

const client = z.object({
  id: z.string(),
  name: z.string().nullable(),
  registration: z
    .enum(['dynamic', 'manual', 'document'])
    .describe('`dynamic` for one that registered itself, `document` for one whose id is the URL of its document.'),
  state: z.enum(['active', 'pending', 'rejected', 'disabled']),
  resourceServer: z
    .string()
    .nullable()
    .describe('The URL of the resource that the client is the server of; null for one that is none.'),
  firstParty: z.boolean(),
  authentication: z.string(),
  tlsSubject: z.string().nullable().describe('Whose certificate it authenticates with.'),
  proofOfPossession: z.enum(['dpop', 'certificate']).nullable().describe('What all its tokens are bound to.'),
  grantTypes: z.array(z.string()),
  redirectUris: z.array(z.string()),
  scopes: z.array(z.string()).nullable().describe('What it may ask for; null for no limit.'),
  resources: z.array(z.string()).nullable().describe('Where it may ask; null for no limit.'),
  createdAt: moment,
  lastUsedAt: moment.nullable(),
  expiresAt: moment.nullable().describe('When it is removed unless it is used; null for one that stays.'),
  version: z.string().describe('Another one as soon as anything changes that the client says about itself.'),
});

/** What was looked at when it was decided. */
const decision = z.strictObject({
  version: z.string().min(1).max(100).describe('The `version` that was looked at; with any other, nothing is decided.'),
});

const resource = z.object({
  url: z.string(),
  name: z.string(),
  source: z
    .enum(['configuration', 'administrator'])
    .describe('`configuration` for one that stands in the settings of the server, and cannot be removed here.'),
  scopes: z.record(z.string(), z.object({ description: z.string(), sensitive: z.boolean() })),
  defaultScopes: z.array(z.string()),
  roles: z.record(z.string(), z.array(z.string())).describe('What each role lets its holder grant.'),
  proofOfPossession: z.enum(['dpop', 'certificate']).nullable().describe('What all tokens for it are bound to.'),
  upstream: z
    .object({ name: z.string(), scopes: z.record(z.string(), z.array(z.string())) })
    .nullable()
    .describe('The service that its server works with in its users’ names, and what each scope needs there.'),
  clientId: z.string().nullable().describe('The client that its server is here; null while it has none.'),
  createdAt: moment.nullable().describe('When it was added; null for one of the configuration.'),
});

/** How the server of a resource is to authenticate. */
const serverAuthentication = {
  authentication: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .default('client_secret_basic')
    .describe('How the server of the resource authenticates when it asks about tokens.'),
  jwks: keySet.optional().describe('The public keys of a server that authenticates with private_key_jwt.'),
};

const issuedSecret = z.string().optional().describe('It is shown in this answer only.');

const scopeList = z.array(scopeToken).min(1).max(100);

const limits = {
  scopes: scopeList.optional().describe('The only scopes that it may ask for.'),
  resources: z.array(resourceUrl).min(1).max(100).optional().describe('The only resources that it may name.'),
};

const registrationToken = z.object({
  id: z.string(),
  name: z.string(),
  uses: z.number(),
  maxUses: z.number().nullable(),
  createdAt: moment,
  expiresAt: moment,
  lastUsedAt: moment.nullable(),
  revokedAt: moment.nullable(),
});

const personalAccessToken = z.object({
  id: z.string(),
  userId: z.string(),
  userEmail: z.string().nullable(),
  name: z.string(),
  resource: z.string(),
  scopes: z.array(z.string()).describe('At most what the roles of its user permit is taken at any moment.'),
  issuedBy: z.string().nullable().describe('The administrator or machine that made it; null when its user did.'),
  createdAt: moment,
  expiresAt: moment,
  lastUsedAt: moment.nullable(),
});

const signingKey = z.object({
  kid: z.string(),
  alg: z.string(),
  state: z
    .enum(['next', 'active', 'retiring', 'retired'])
    .describe('`next` is published and will sign, `active` signs, `retiring` is published for the tokens it signed.'),
  createdAt: moment.describe('From then on it is in the key set.'),
  activatesAt: moment.describe('From then on it signs.'),
  publishedUntil: moment.nullable().describe('When a retiring key leaves the key set.'),
  retiredAt: moment.nullable(),
});

const administrator = z.object({
  issuer: z.string(),
  kind: z.enum(['user', 'client']),
  subject: z.string(),
  email: z.string().optional(),
  clientId: z.string(),
  roles: z.array(z.string()),
  scopes: z.array(z.string()),
  expiresAt: moment,
});

/** One thing that the admin API does. `scope` is what the token needs; `any` admin scope is enough where it says so. */
export type AdminOperation = Readonly<{
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below {@link ADMIN_API_PATH}; `{name}` stands for one encoded segment. */
  path: string;
  scope: AdminScope | 'any';
  summary: string;
  query: z.ZodObject;
  body: z.ZodObject;
  status: 200 | 201;
  response: z.ZodType;
}>;

const defaults = { query: none, body: none, status: 200 } as const;

/** Everything that the admin API does: what a request may hold and what the answer holds, for both sides of the wire. */
export const ADMIN_OPERATIONS = {
  status: {
    ...defaults,
    method: 'GET',
    path: '/status',
    scope: 'any',
    summary: 'Tells who is calling, with which scopes.',
    response: administrator,
  },
  listUsers: {
    ...defaults,
    method: 'GET',
    path: '/users',
    scope: 'admin:users',
    summary: 'Lists users by e-mail address.',
    query: z.strictObject(paging),
    response: pageOf(user),
  },
  addUser: {
    ...defaults,
    method: 'POST',
    path: '/users',
    scope: 'admin:users',
    summary: 'Adds a user. Without a password the answer has a link with which the person sets one.',
    body: z.strictObject({
      email,
      roles: z.array(text(40)).max(50),
      password: z.string().min(1).max(1024).optional().describe('At least 10 characters.'),
    }),
    status: 201,
    response: userWithLink,
  },
  updateUser: {
    ...defaults,
    method: 'PATCH',
    path: '/users/{user}',
    scope: 'admin:users',
    summary: 'Changes the e-mail address or replaces the roles of a user.',
    body: z.strictObject({ email: email.optional(), roles: z.array(text(40)).max(50).optional() }),
    response: z.object({ user }),
  },
  resetPassword: {
    ...defaults,
    method: 'POST',
    path: '/users/{user}/reset-password',
    scope: 'admin:users',
    summary: 'Makes a link with which a user sets a new password. The old one works until then.',
    response: userWithLink,
  },
  disableUser: {
    ...defaults,
    method: 'POST',
    path: '/users/{user}/disable',
    scope: 'admin:users',
    summary: 'Keeps a user from signing in, and from refreshing tokens.',
    response: z.object({ user }),
  },
  enableUser: {
    ...defaults,
    method: 'POST',
    path: '/users/{user}/enable',
    scope: 'admin:users',
    summary: 'Lets a disabled user sign in again.',
    response: z.object({ user }),
  },
  listIdentities: {
    ...defaults,
    method: 'GET',
    path: '/users/{user}/identities',
    scope: 'admin:users',
    summary: 'Lists the accounts elsewhere that are a user here, the oldest first.',
    response: z.object({ items: z.array(identity) }),
  },
  linkIdentity: {
    ...defaults,
    method: 'POST',
    path: '/users/{user}/identities',
    scope: 'admin:users',
    summary:
      'Makes an account elsewhere a user’s: whoever signs in there, or is asserted from there, is that user here.',
    body: z.strictObject(identityName),
    status: 201,
    response: z.object({ user, identity }),
  },
  unlinkIdentity: {
    ...defaults,
    method: 'DELETE',
    path: '/users/{user}/identities',
    scope: 'admin:users',
    summary:
      'Takes an account elsewhere from a user, with the roles that its groups gave. Sign-ins that are open stay.',
    query: z.strictObject(identityName),
    response: z.object({ user, identity }),
  },
  listClients: {
    ...defaults,
    method: 'GET',
    path: '/clients',
    scope: 'admin:clients',
    summary: 'Lists registered apps, the newest first.',
    query: z.strictObject({ ...paging, state: z.enum(['active', 'pending', 'rejected', 'disabled']).optional() }),
    response: pageOf(client),
  },
  showClient: {
    ...defaults,
    method: 'GET',
    path: '/clients/{client}',
    scope: 'admin:clients',
    summary: 'Shows one app.',
    response: z.object({ client }),
  },
  registerClient: {
    ...defaults,
    method: 'POST',
    path: '/clients',
    scope: 'admin:clients',
    summary: 'Registers an app, or a machine that acts for itself. A secret is shown in this answer only.',
    body: z.strictObject({
      name: text(80),
      redirectUris: z.array(z.string().min(1).max(2048)).max(20).default([]),
      authentication: z
        .enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth'])
        .default('none')
        .describe('`none` for an app that runs where it can keep no secret.'),
      jwks: keySet.optional().describe('The public keys of a client that authenticates with private_key_jwt.'),
      tlsSubject: z
        .strictObject({ type: z.enum(['dn', 'dns', 'uri', 'ip', 'email']), value: text(500) })
        .optional()
        .describe('Whose certificate it is that a client authenticates with by tls_client_auth (RFC 8705).'),
      proofOfPossession: z
        .enum(['none', 'dpop', 'certificate'])
        .optional()
        .describe('What all its tokens are bound to; `certificate` for tls_client_auth unless it is given.'),
      ...limits,
      firstParty: z.boolean().default(false).describe('Whether the app is the operator’s own.'),
      machine: z.boolean().default(false).describe('Acts for itself with client credentials, for no user.'),
      admin: z.boolean().default(false).describe('A machine that may use the admin API, within `scopes`.'),
    }),
    status: 201,
    response: z.object({ client, clientSecret: z.string().optional() }),
  },
  updateClient: {
    ...defaults,
    method: 'PATCH',
    path: '/clients/{client}',
    scope: 'admin:clients',
    summary: 'Changes what is given. Null takes a limit away.',
    body: z.strictObject({
      name: text(80).optional(),
      redirectUris: z.array(z.string().min(1).max(2048)).min(1).max(20).optional(),
      scopes: limits.scopes.nullable(),
      resources: limits.resources.nullable(),
      firstParty: z.boolean().optional(),
    }),
    response: z.object({ client }),
  },
  rotateClientSecret: {
    ...defaults,
    method: 'POST',
    path: '/clients/{client}/rotate-secret',
    scope: 'admin:clients',
    summary: 'Gives a client another secret. The one before works on for a while.',
    body: z.strictObject({
      overlapSeconds: z
        .number()
        .int()
        .min(0)
        .max(30 * 86_400)
        .default(86_400),
    }),
    response: z.object({ client, clientSecret: z.string(), previousUntil: moment }),
  },
  disableClient: {
    ...defaults,
    method: 'POST',
    path: '/clients/{client}/disable',
    scope: 'admin:clients',
    summary: 'Keeps an app out until it is enabled again. Its grants stay.',
    response: z.object({ client }),
  },
  enableClient: {
    ...defaults,
    method: 'POST',
    path: '/clients/{client}/enable',
    scope: 'admin:clients',
    summary: 'Lets a disabled app in again.',
    response: z.object({ client }),
  },
  approveClient: {
    ...defaults,
    method: 'POST',
    path: '/clients/{client}/approve',
    scope: 'admin:clients',
    summary: 'Lets an app in that waits for a review, or was turned away.',
    body: decision,
    response: z.object({ client }),
  },
  rejectClient: {
    ...defaults,
    method: 'POST',
    path: '/clients/{client}/reject',
    scope: 'admin:clients',
    summary: 'Turns an app away that waits for a review.',
    body: decision,
    response: z.object({ client }),
  },
  deleteClient: {
    ...defaults,
    method: 'DELETE',
    path: '/clients/{client}',
    scope: 'admin:clients',
    summary: 'Removes an app with all its grants.',
    response: z.object({ client, grants: z.number().int() }),
  },
  listResources: {
    ...defaults,
    method: 'GET',
    path: '/resources',
    scope: 'admin:resources',
    summary: 'Lists protected servers: those of the configuration first, then those that were added, by URL.',
    query: z.strictObject(paging),
    response: pageOf(resource),
  },
  addResource: {
    ...defaults,
    method: 'POST',
    path: '/resources',
    scope: 'admin:resources',
    summary: 'Adds a protected server, with the client that it is here. A secret is shown in this answer only.',
    body: z
      .strictObject({
        url: z.string().min(1).max(2048).describe('Its canonical URL: the audience of its tokens.'),
        ...resourceFields,
        ...serverAuthentication,
      })
      .superRefine(checkScopeNames),
    status: 201,
    response: z.object({ resource, clientSecret: issuedSecret }),
  },
  removeResource: {
    ...defaults,
    method: 'DELETE',
    path: '/resources/{resource}',
    scope: 'admin:resources',
    summary: 'Removes a protected server that was added, its client, and all grants for it.',
    response: z.object({ resource, grants: z.number().int() }),
  },
  issueResourceCredentials: {
    ...defaults,
    method: 'POST',
    path: '/resources/{resource}/credentials',
    scope: 'admin:resources',
    summary:
      'Makes the client that a protected server is here, where it has none. A secret is shown in this answer only.',
    body: z.strictObject(serverAuthentication),
    status: 201,
    response: z.object({ resource, clientSecret: issuedSecret }),
  },
  listRegistrationTokens: {
    ...defaults,
    method: 'GET',
    path: '/registration-tokens',
    scope: 'admin:registration-tokens',
    summary: 'Lists the tokens with which apps register, the newest first.',
    query: z.strictObject(paging),
    response: pageOf(registrationToken),
  },
  issueRegistrationToken: {
    ...defaults,
    method: 'POST',
    path: '/registration-tokens',
    scope: 'admin:registration-tokens',
    summary: 'Issues a token with which apps register. It is shown in this answer only.',
    body: z.strictObject({
      name: text(80).describe('Whom it is for.'),
      maxUses: z.number().int().min(1).max(1_000_000).nullable().default(1).describe('Null for any number.'),
      ttlSeconds: z
        .number()
        .int()
        .min(60)
        .max(365 * 86_400)
        .default(7 * 86_400),
    }),
    status: 201,
    response: z.object({ id: z.string(), token: z.string(), expiresAt: moment }),
  },
  revokeRegistrationToken: {
    ...defaults,
    method: 'DELETE',
    path: '/registration-tokens/{token}',
    scope: 'admin:registration-tokens',
    summary: 'Ends a registration token. Apps that registered with it stay.',
    response: z.object({ id: z.string() }),
  },
  listPersonalAccessTokens: {
    ...defaults,
    method: 'GET',
    path: '/personal-access-tokens',
    scope: 'admin:tokens',
    summary: 'Lists the personal access tokens that live, the newest first.',
    query: z.strictObject({
      ...paging,
      user: text(254).optional().describe('Only tokens of this user: an id or an e-mail address.'),
    }),
    response: pageOf(personalAccessToken),
  },
  issuePersonalAccessToken: {
    ...defaults,
    method: 'POST',
    path: '/personal-access-tokens',
    scope: 'admin:tokens',
    summary: 'Makes a token for a client that can only send a fixed header. It is shown in this answer only.',
    body: z.strictObject({
      name: text(80).describe('What it is for.'),
      user: text(254)
        .optional()
        .describe('In whose name it acts: an id or an e-mail address. Default: the administrator who asks.'),
      resource: resourceUrl.optional().describe('The one resource that it is for. Default: the standard one.'),
      scopes: scopeList.describe('What it may do: no more than the roles of its user permit.'),
      days: z.number().int().min(1).max(365).default(90).describe('How long it lasts.'),
    }),
    status: 201,
    response: z.object({ token: z.string(), personalAccessToken }),
  },
  revokePersonalAccessToken: {
    ...defaults,
    method: 'DELETE',
    path: '/personal-access-tokens/{token}',
    scope: 'admin:tokens',
    summary: 'Ends a personal access token. Resource servers refuse it within a second.',
    response: z.object({ personalAccessToken }),
  },
  listGrants: {
    ...defaults,
    method: 'GET',
    path: '/grants',
    scope: 'admin:grants',
    summary: 'Lists what users have allowed apps to do, the newest first.',
    query: z.strictObject({
      ...paging,
      user: text(254).optional().describe('Only grants of this user: an id or an e-mail address.'),
      client: text(2048).optional().describe('Only grants to this client id.'),
    }),
    response: pageOf(grant),
  },
  revokeGrant: {
    ...defaults,
    method: 'DELETE',
    path: '/grants/{grant}',
    scope: 'admin:grants',
    summary: 'Ends a grant: its refresh tokens and codes are gone, and the app has to ask the user again.',
    response: z.object({ grant }),
  },
  listKeys: {
    ...defaults,
    method: 'GET',
    path: '/keys',
    scope: 'admin:keys',
    summary: 'Lists the keys that sign tokens, the newest first. Private parts are never shown.',
    query: z.strictObject(paging),
    response: pageOf(signingKey),
  },
  rotateKeys: {
    ...defaults,
    method: 'POST',
    path: '/keys/rotate',
    scope: 'admin:keys',
    summary: 'Lets the next key sign from now on. Tokens that are out stay good.',
    body: z.strictObject({
      force: z
        .boolean()
        .default(false)
        .describe('Even before everybody can know the key: some calls fail until resource servers ask for it.'),
    }),
    response: z.object({ key: signingKey, previous: signingKey }),
  },
  retireKey: {
    ...defaults,
    method: 'POST',
    path: '/keys/{key}/retire',
    scope: 'admin:keys',
    summary: 'Takes a key out of the key set at once, and with it every token that it signed.',
    response: z.object({ key: signingKey, active: signingKey }),
  },
  searchAudit: {
    ...defaults,
    method: 'GET',
    path: '/audit',
    scope: 'admin:audit',
    summary: 'Searches the audit trail, the newest first.',
    query: z.strictObject({
      ...paging,
      type: text(100).optional(),
      outcome: z.enum(['success', 'error', 'denied']).optional(),
      subject: text(2048).optional().describe('The id of a user, or of a client that acts for itself.'),
      client: text(2048).optional(),
      correlationId: text(100).optional(),
      since: knownMoment.optional().describe('From this moment on.'),
      until: knownMoment.optional().describe('Before this moment.'),
    }),
    response: pageOf(auditEvent),
  },
  exportAudit: {
    ...defaults,
    method: 'GET',
    path: '/audit/export',
    scope: 'admin:audit',
    summary: 'Exports the sealed records of the audit trail in the order of their chain, the oldest first.',
    query: z.strictObject({
      cursor: paging.cursor,
      limit: z.coerce.number().int().min(1).max(1000).default(200).describe('How many records a page has at most.'),
      after: z.coerce.number().int().min(0).default(0).describe('Only records behind this number.'),
    }),
    response: z.object({
      ...pageOf(sealedRecord).shape,
      segment: z.string().optional().describe('A signed statement about what was moved out; on the first page.'),
      anchor: z.string().optional().describe('A signed statement about the last record; on the last page.'),
      unsealed: z.int().describe('How many records have no place in the chain yet.'),
      signingKeys: z.array(z.string()).describe('The thumbprints of all keys that statements may be signed with.'),
    }),
  },
} as const satisfies Record<string, AdminOperation>;

/** The name of an operation. */
export type AdminOperationName = keyof typeof ADMIN_OPERATIONS;

type Operation<Name extends AdminOperationName> = (typeof ADMIN_OPERATIONS)[Name];

/** What a caller sends with an operation. */
export type AdminInput<Name extends AdminOperationName> = {
  query: z.input<Operation<Name>['query']>;
  body: z.input<Operation<Name>['body']>;
};

/** The same once it was checked, with its defaults filled in. */
export type AdminRequest<Name extends AdminOperationName> = {
  query: z.output<Operation<Name>['query']>;
  body: z.output<Operation<Name>['body']>;
};

/** What an operation answers. */
export type AdminAnswer<Name extends AdminOperationName> = z.output<Operation<Name>['response']>;

/** Why a request was refused (RFC 9457). */
export const adminProblem = z.object({
  type: z.string().describe('`about:blank`, or a URN that ends in the reason.'),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().optional(),
  /** One entry for each part of the request that cannot be taken. */
  errors: z.array(z.object({ field: z.string(), problem: z.string() })).optional(),
  correlationId: z.string().optional(),
});

/** Why a request was refused. */
export type AdminProblem = z.infer<typeof adminProblem>;
