import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { errors, type InteractionResults } from 'oidc-provider';
import { PageProblem } from '../http/error-boundary.ts';
import { endSessionOfAnother } from './change-of-user.ts';
import { type ConsentDeps, showConsent, submitConsent } from './consent.ts';
import { formOf } from './form.ts';
import { type LoginDeps, showLogin, submitLogin } from './login.ts';
import { describeStep, EXPIRED, type Step, type StepDeps } from './step.ts';
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
  router.get('/interaction/:uid', async (ctx) => {
    const { step, answered } = await currentStep(ctx, deps);
    const result = answered ? undefined : await show(ctx, step, deps);
    await handOver(ctx, { deps, result, answered });
  });
  router.post('/interaction/:uid', async (ctx) => {
    const { step, uid, answered } = await currentStep(ctx, deps);
    if (!deps.formTokens.verify(formOf(ctx).text('form_token'), 'interaction', uid, step.prompt))
      throw new PageProblem(EXPIRED);
    const result = answered ? undefined : await submit(ctx, step, deps);
    await handOver(ctx, { deps, result, answered });
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
async function currentStep(
  ctx: Context,
  deps: InteractionDeps,
): Promise<{ step: Step; uid: string; answered: boolean }> {
  const interaction = await findInteraction(ctx, deps);
  if (interaction.uid !== ctx.params.uid) throw new PageProblem(EXPIRED);
  const step = await describeStep(interaction, deps);
  return { step, uid: interaction.uid, answered: interaction.result !== undefined };
}

function findInteraction(ctx: Context, { provider }: InteractionDeps) {
  return unlessOver(provider.interactionDetails(ctx.req, ctx.res));
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

type HandOver = { deps: InteractionDeps; result: InteractionResults | undefined; answered: boolean };

/** Sends the browser back to the engine, with 303 so that no form is sent on (AS-11). A second answer changes nothing. */
async function handOver(ctx: Context, { deps, result, answered }: HandOver): Promise<void> {
  if (!result && !answered) return;
  const userId = result?.login?.accountId;
  if (userId !== undefined) {
    await endSessionOfAnother(deps.provider, { interaction: await findInteraction(ctx, deps), userId });
  }
  const returnTo = result
    ? await unlessOver(deps.provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }))
    : (await findInteraction(ctx, deps)).returnTo;
  ctx.status = 303;
  ctx.redirect(returnTo);
}
