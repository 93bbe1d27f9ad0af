import { CLI_CLIENT_ID } from '@portcullis/platform';
import type { default as Provider } from 'oidc-provider';
import { PageProblem } from '../http/error-boundary.ts';
import type { PermissionsOf } from '../provider/client-permissions.ts';
import { findResource, type Resource } from '../resources.ts';
import { pageUrl, type Site } from '../site.ts';
import type { FormTokens } from './form-token.ts';

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** One thing to decide between the authorization request and the code, with all that its page shows. */
export type Step = {
  prompt: string;
  /** Where the form posts to. */
  action: string;
  formToken: string;
  clientId: string;
  clientName: string;
  /** The host that vouches for the client; nobody vouches for one that registered itself. */
  clientHost: string | undefined;
  /** Whether the client has nothing but loopback redirect URIs (AS-32). */
  redirectUris: readonly string[];
  redirectUri: string;
  resource: Resource;
  requestedScopes: readonly string[];
  /** The signed-in user, once there is one. */
  userId: string | undefined;
};

/** What describing a step needs. */
export type StepDeps = {
  provider: Provider;
  site: Site;
  resources: readonly Resource[];
  formTokens: FormTokens;
  permissionsOf: PermissionsOf;
};

/** Gathers what a step's page needs from the engine's interaction. */
export async function describeStep(
  interaction: Interaction,
  { provider, site, resources, formTokens, permissionsOf }: StepDeps,
): Promise<Step> {
  const { uid, prompt, params, session } = interaction;
  const client = typeof params.client_id === 'string' ? await provider.Client.find(params.client_id) : undefined;
  const resource = findResource(resources, String([params.resource].flat()[0] ?? ''));
  if (!client || !resource) throw new PageProblem(EXPIRED);
  return {
    prompt: prompt.name,
    action: new URL(pageUrl(site, `/interaction/${uid}`)).pathname,
    formToken: formTokens.issue('interaction', uid, prompt.name),
    clientId: client.clientId,
    clientName: client.clientName ?? 'An app without a name',
    clientHost: (await isFirstParty(client.clientId, permissionsOf)) ? site.host : undefined,
    redirectUris: client.redirectUris ?? [],
    redirectUri: String(params.redirect_uri),
    resource,
    requestedScopes: String(params.scope ?? '')
      .split(' ')
      .filter((scope) => Object.hasOwn(resource.scopes, scope)),
    userId: session?.accountId,
  };
}

/** Whether the operator of this server vouches for a client: its own command line, or one marked so by hand. */
async function isFirstParty(clientId: string, permissionsOf: PermissionsOf): Promise<boolean> {
  return clientId === CLI_CLIENT_ID || ((await permissionsOf(clientId))?.firstParty ?? false);
}

/** What a person sees who comes back to a decision that is over. */
export const EXPIRED = {
  status: 400,
  title: 'This sign-in is over',
  explanation: 'It was finished already, took longer than ten minutes, or belongs to another browser.',
  advice: ['Go back to your app and start signing in again.'],
};
