import { randomUUID } from 'node:crypto';
import type { ClientMetadata, ClientPermissions } from '@portcullis/persistence';
import type { AdminRequest } from '@portcullis/platform';
import type { ClientCertificates } from '../provider/mutual-tls.ts';
import { chooseRedirectUris, redirectTarget } from '../redirect-uri.ts';
import type { Resource } from '../resources.ts';
import { possessionMetadata, possessionProblems } from './client-possession.ts';
import type { FieldProblem } from './problem.ts';

type Registration = AdminRequest<'registerClient'>['body'];

/** What is stored of a registration, or everything that is wrong with it. */
export type JudgedRegistration =
  | { ok: true; metadata: ClientMetadata; permissions: ClientPermissions; hasSecret: boolean }
  | { ok: false; errors: FieldProblem[] };

/** Judges a client that an administrator registers. Nothing is dropped or guessed: who types it can correct it. */
export function judgeRegistration(
  body: Registration,
  {
    resources,
    held,
    clientCertificates,
  }: { resources: readonly Resource[]; held: readonly string[]; clientCertificates: ClientCertificates | undefined },
): JudgedRegistration {
  const redirects = body.machine ? undefined : judgeRedirectUris(body.redirectUris);
  const admin = resources.find(({ reserved }) => reserved)?.url;
  const allowedResources = body.admin && admin !== undefined ? [admin] : body.resources;
  const errors = [
    ...(redirects && 'errors' in redirects ? redirects.errors : []),
    ...(body.machine ? machineProblems(body) : []),
    ...(body.admin ? [...adminProblems(body), ...handedOnProblems(body.scopes, held)] : []),
    ...keyProblems(body),
    ...possessionProblems(body, clientCertificates),
    ...limitProblems({ scopes: body.scopes, resources: allowedResources }, { resources, admin: body.admin }),
  ];
  if (errors.length > 0) return { ok: false, errors };
  return {
    ok: true,
    hasSecret: hasSecret(body.authentication),
    permissions: { firstParty: body.firstParty, allowedScopes: body.scopes, allowedResources },
    metadata: {
      client_id: randomUUID(),
      client_name: body.name,
      token_endpoint_auth_method: body.authentication,
      ...(body.jwks && { jwks: body.jwks }),
      ...possessionMetadata(body),
      ...(redirects && 'uris' in redirects
        ? {
            application_type: redirects.native ? 'native' : 'web',
            redirect_uris: redirects.uris,
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
          }
        : { redirect_uris: [], grant_types: ['client_credentials'], response_types: [] }),
    },
  };
}

/** Whether clients of this kind authenticate with a secret. */
export function hasSecret(authentication: string | undefined): boolean {
  return authentication === 'client_secret_basic' || authentication === 'client_secret_post';
}

/** Judges redirect URIs; every one has to be usable. */
export function judgeRedirectUris(
  asked: readonly string[],
): { uris: string[]; native: boolean } | { errors: FieldProblem[] } {
  const field = 'redirectUris';
  if (asked.length === 0) return { errors: [{ field, problem: 'at least one is needed, unless it is a machine' }] };
  const chosen = chooseRedirectUris([...asked]);
  if (!chosen.ok) return { errors: [{ field, problem: chosen.description }] };
  const unusable = asked.filter((uri) => !chosen.uris.includes(uri));
  if (unusable.length > 0)
    return { errors: [{ field, problem: `cannot be used: ${unusable.join(', ')}${beside(unusable)}` }] };
  return { uris: chosen.uris, native: chosen.native };
}

/** Why a redirect URI that would do by itself does not do beside the others. */
function beside(unusable: readonly string[]): string {
  const wouldDo = unusable.some((uri) => redirectTarget(uri) !== undefined);
  return wouldDo ? ' (https on a loopback host needs a client of its own, without http and without own schemes)' : '';
}

/** What is wrong with the limits of a client; a reserved resource is given with `admin` alone. */
export function limitProblems(
  limits: { scopes?: readonly string[] | null | undefined; resources?: readonly string[] | null | undefined },
  { resources, admin }: { resources: readonly Resource[]; admin: boolean },
): FieldProblem[] {
  const open = resources.filter(({ reserved }) => (reserved ?? false) === admin);
  const unknown = (limits.resources ?? []).filter((url) => !open.some((resource) => resource.url === url));
  const reachable = limits.resources ? open.filter(({ url }) => limits.resources?.includes(url)) : open;
  const scopes = new Set(reachable.flatMap((resource) => Object.keys(resource.scopes)));
  const foreign = (limits.scopes ?? []).filter((scope) => !scopes.has(scope));
  return [
    ...unknown.map((url) => ({ field: 'resources', problem: `${url} is no resource here` })),
    ...(foreign.length > 0 ? [{ field: 'scopes', problem: `no such scope there: ${foreign.join(', ')}` }] : []),
  ];
}

/** Whoever administers one area cannot make a machine that administers another: nobody hands on what they do not hold. */
export function handedOnProblems(
  scopes: readonly string[] | null | undefined,
  held: readonly string[],
): FieldProblem[] {
  const foreign = (scopes ?? []).filter((scope) => !held.includes(scope));
  return foreign.length > 0
    ? [{ field: 'scopes', problem: `you do not hold them yourself: ${foreign.join(', ')}` }]
    : [];
}

function machineProblems({ redirectUris, authentication, resources, admin }: Registration): FieldProblem[] {
  return [
    ...(redirectUris.length > 0 ? [{ field: 'redirectUris', problem: 'a machine has none' }] : []),
    ...(authentication === 'none' ? [{ field: 'authentication', problem: 'a machine must authenticate' }] : []),
    ...(resources || admin ? [] : [{ field: 'resources', problem: 'a machine needs at least one' }]),
  ];
}

function adminProblems(body: Registration): FieldProblem[] {
  const { machine, authentication, scopes, resources, proofOfPossession } = body;
  return [
    ...(machine ? [] : [{ field: 'admin', problem: 'only a machine can be given administration' }]),
    ...(authentication === 'private_key_jwt'
      ? []
      : [{ field: 'authentication', problem: 'administration takes private_key_jwt' }]),
    ...(scopes ? [] : [{ field: 'scopes', problem: 'name the admin scopes that it may have' }]),
    ...(resources ? [{ field: 'resources', problem: 'a machine for administration reaches nothing else' }] : []),
    // The admin API looks at no certificate: such a machine would be refused for ever.
    ...(proofOfPossession === 'certificate'
      ? [{ field: 'proofOfPossession', problem: 'administration takes dpop, and no certificates' }]
      : []),
  ];
}

/** What is wrong with the keys of a client, or the lack of them. */
export function keyProblems({
  authentication,
  jwks,
}: {
  authentication: string;
  jwks?: object | undefined;
}): FieldProblem[] {
  if (authentication === 'private_key_jwt' && !jwks)
    return [{ field: 'jwks', problem: 'private_key_jwt needs the public keys' }];
  if (authentication !== 'private_key_jwt' && jwks)
    return [{ field: 'jwks', problem: 'only private_key_jwt uses keys' }];
  return [];
}
