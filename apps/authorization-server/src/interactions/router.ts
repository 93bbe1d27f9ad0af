import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { errors, type InteractionResults } from 'oidc-provider';
import { PageProblem } from '../http/error-boundary.ts';
import { asRequest } from '../provider/request-reads.ts';
import { endSessionOfAnother } from './change-of-user.ts';
import { type ConsentDeps, showConsent, submitConsent } from './consent.ts';
import { formOf } from './form.ts';
import { type LoginDeps, showLogin, submitLogin } from './login.ts';
import { describeStep, EXPIRED, type Interaction, type Step, type StepDeps } from './step.ts';
import { showUpstream, submitUpstream, type UpstreamStepDeps } from './upstream.ts';

/** What the pages between the authorization request and the code need. */
export type InteractionDeps = LoginDeps & ConsentDeps & StepDeps & UpstreamStepDeps & { acceptForms: Middleware };

/**
 * The pages between the authorization request and the code. Each step ends by handing a result to the engine, which
 * decides what comes next; the steps never call one another.
 */
export function interactionRouter(deps: InteractionDeps): Router {
  const router = new Router();
  // Under no-referrer, browsers post a form with `Origin: null`; so they can name us as its sender.
  router.use(async (ctx, next) => {
    ctx.set('Referrer-Policy', 'same-origin');
    await next();
  });
  router.use(deps.acceptForms);
  router.use((ctx, next) => asRequest({ req: ctx.req }, next));
  router.get('/interaction/:uid', async (ctx) => {
    const { interaction, step } = await currentStep(ctx, deps);
    const result = interaction.result === undefined ? await show(ctx, step, deps) : undefined;
    await handOver(ctx, { deps, interaction, result });
  });
  router.post('/interaction/:uid', async (ctx) => {
    const { interaction, step } = await currentStep(ctx, deps);
    if (!deps.formTokens.verify(formOf(ctx).text('form_token'), 'interaction', interaction.uid, step.prompt))
      throw new PageProblem(EXPIRED);
    const result = interaction.result === undefined ? await submit(ctx, step, deps) : undefined;
    await handOver(ctx, { deps, interaction, result });
  });
  return router;
}

async function show(ctx: Context, step: Step, deps: InteractionDeps): Promise<InteractionResults | undefined> {
  switch (step.prompt) {
    case 'login':
      return showLogin(ctx, step, deps);
    case 'consent':
      return showConsent(ctx, step, deps);
    case 'upstream':
      return showUpstream(ctx, step, deps);
    default:
      throw new Error(`no page for the prompt ${step.prompt}`);
  }
}

function submit(ctx: Context, step: Step, deps: InteractionDeps): Promise<InteractionResults | undefined> {
  switch (step.prompt) {
    case 'login':
      return submitLogin(ctx, step, deps);
    case 'consent':
      return submitConsent(ctx, step, deps);
    case 'upstream':
      return submitUpstream(ctx, step, deps);
    default:
      throw new Error(`no page for the prompt ${step.prompt}`);
  }
}

/**
 * The step that this browser is at. The engine finds it by the cookie alone, so the address must name the same one:
 * otherwise a form could be answered for another decision than the one that was shown.
 */
async function currentStep(ctx: Context, deps: InteractionDeps): Promise<{ interaction: Interaction; step: Step }> {
  const interaction = await unlessOver(deps.provider.interactionDetails(ctx.req, ctx.res));
  if (interaction.uid !== ctx.params.uid) throw new PageProblem(EXPIRED);
  return { interaction, step: await describeStep(interaction, deps) };
}

/** A form that loses against another one for the same decision finds the decision gone. */
async function unlessOver<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof errors.SessionNotFound) throw new PageProblem(EXPIRED);
    throw cause;
  }
}

type HandOver = { deps: InteractionDeps; interaction: Interaction; result: InteractionResults | undefined };

/**
 * Sends the browser back to the engine, with 303 so that no form is sent on (AS-11). A second answer changes nothing; one
 * that comes when the decision is over finds nothing to be stored in.
 */
async function handOver(ctx: Context, { deps, interaction, result }: HandOver): Promise<void> {
  if (!result && interaction.result === undefined) return;
  if (result) {
    const userId = result.login?.accountId;
    if (userId !== undefined) await endSessionOfAnother(deps.provider, { interaction, userId });
    // An error stands alone; what was decided goes with what was before.
    interaction.result = 'error' in result ? result : { ...interaction.lastSubmission, ...result };
    await unlessOver(interaction.persist());
  }
  ctx.status = 303;
  ctx.redirect(interaction.returnTo);
}
