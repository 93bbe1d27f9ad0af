import type { default as Provider } from 'oidc-provider';
import { PageProblem } from '../http/error-boundary.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import type { Resource } from '../resources.ts';
import { pageUrl } from '../site.ts';
import type { FormTokens } from './form-token.ts';
import { findRequestingClient, type RequestingClient, type RequestingClientDeps } from './requesting-client.ts';

/** An authorization that waits for its user, as the engine keeps it. */
export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** One thing to decide between the authorization request and the code, with all that its page shows. */
export type Step = RequestingClient & {
  prompt: string;
  uid: string;
  /** Where the form posts to. */
  action: string;
  formToken: string;
  redirectUri: string;
  resource: Resource;
  requestedScopes: readonly string[];
  /** The signed-in user, once there is one. */
  userId: string | undefined;
  /** What this authorization was granted so far. */
  grantId: string | undefined;
};

/** What describing a step needs. */
export type StepDeps = RequestingClientDeps & { catalogue: ResourceCatalogue; formTokens: FormTokens };

/** Gathers what a step's page needs from the engine's interaction. */
export async function describeStep(interaction: Interaction, deps: StepDeps): Promise<Step> {
  const { uid, prompt, params, session } = interaction;
  const { site, catalogue, formTokens } = deps;
  const client = await findRequestingClient(params, deps);
  const resource = await catalogue.find(String([params.resource].flat()[0] ?? ''));
  if (!client || !resource) throw new PageProblem(EXPIRED);
  return {
    prompt: prompt.name,
    uid,
    action: new URL(pageUrl(site, `/interaction/${uid}`)).pathname,
    formToken: formTokens.issue('interaction', uid, prompt.name),
    ...client,
    redirectUri: String(params.redirect_uri),
    resource,
    requestedScopes: String(params.scope ?? '')
      .split(' ')
      .filter((scope) => Object.hasOwn(resource.scopes, scope)),
    userId: session?.accountId,
    grantId: interaction.lastSubmission?.consent?.grantId ?? interaction.grantId,
  };
}

/** What a person sees who comes back to a decision that is over. */
export const EXPIRED = {
  status: 400,
  title: 'This sign-in is over',
  explanation: 'It was finished already, took longer than ten minutes, or belongs to another browser.',
  advice: ['Go back to your app and start signing in again.'],
};
