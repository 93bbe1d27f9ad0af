import type { Context } from 'koa';
import type { AskingParty } from '../confirmations/asking-party.ts';
import type { Confirmations, Question } from '../confirmations/confirmations.ts';
import { PageProblem } from '../http/error-boundary.ts';
import { requestContext } from '../http/request-context.ts';
import { sendPage } from '../http/send-page.ts';
import { formOf } from '../interactions/form.ts';
import { type AskedBy, confirmationPage, decidedPage } from '../pages/confirmation.ts';
import type { ConnectionsDeps } from './connections.ts';
import { accountForm, type FormGuardDeps, requireOurForm } from './form-guard.ts';
import type { AccountSession } from './session.ts';

/** What asking a user about one call needs. */
export type ConfirmationPageDeps = ConnectionsDeps &
  FormGuardDeps & {
    confirmations: Confirmations;
    users: { findById(id: string): Promise<{ email: string } | undefined> };
    clock(): Date;
  };

/** Shows the call that an app wants to make, to the very user in whose name. */
export async function showConfirmation(
  ctx: Context,
  session: AccountSession,
  deps: ConfirmationPageDeps,
): Promise<void> {
  const question = await requireQuestion(ctx, session, deps);
  const { call, party, state } = question;
  if (!call || state !== 'open') {
    sendPage(ctx, decidedPage(state === 'open' ? 'used' : state));
    return;
  }
  const { resource, createdAt, expiresAt } = question;
  const [known] = await deps.catalogue.findAll([resource]);
  const user = await deps.users.findById(session.userId);
  const page = confirmationPage({
    ...accountForm(pathOf(ctx), session, deps),
    askedBy: await shownParty(party, deps),
    resource: { name: known?.name ?? resource, url: resource },
    tool: call.tool,
    arguments: call.arguments,
    userEmail: user?.email ?? '',
    askedAt: createdAt,
    expiresAt,
  });
  sendPage(ctx, page);
}

/** Takes the decision. What was decided before stays as it is. */
export async function submitConfirmation(
  ctx: Context,
  session: AccountSession,
  deps: ConfirmationPageDeps,
): Promise<void> {
  const question = await requireQuestion(ctx, session, deps);
  requireOurForm(ctx, session, deps);
  const action = formOf(ctx).text('action');
  if (action !== 'approve' && action !== 'deny') throw new PageProblem(NOTHING_CHOSEN);
  const { address, correlationId } = requestContext(ctx);
  const approve = action === 'approve';
  const isDecided = await deps.confirmations.decide(question, approve, { address, correlationId });
  if (isDecided) sendPage(ctx, decidedPage(approve ? 'approved' : 'denied'));
  else await showConfirmation(ctx, session, deps);
}

async function shownParty(party: AskingParty, deps: ConfirmationPageDeps): Promise<AskedBy> {
  if (party.kind === 'token') return party;
  const client = await deps.clientOf(party.grant);
  const name = client?.clientName ?? party.grant.clientName ?? party.grant.clientId;
  return { kind: 'app', name, host: client?.clientHost };
}

async function requireQuestion(ctx: Context, session: AccountSession, deps: ConfirmationPageDeps): Promise<Question> {
  const handle = String(ctx.params.confirmation);
  const question = await deps.confirmations.find({ handle, userId: session.userId });
  if (!question) throw new PageProblem(NOTHING_TO_CONFIRM);
  return question;
}

function pathOf(ctx: Context): string {
  return `/confirmations/${String(ctx.params.confirmation)}`;
}

/** Whether it never was, is over, or is for somebody else is not told. */
const NOTHING_TO_CONFIRM = {
  status: 404,
  title: 'There is nothing to confirm here',
  explanation:
    'Such a page works for ten minutes, and only for the person in whose name the app acts. Nothing was approved.',
  advice: [
    'If you are signed in here as somebody else, sign out on your account page and open the link again.',
    'If it is too late, let the app try again: it gets a new link.',
  ],
};

const NOTHING_CHOSEN = {
  status: 400,
  title: 'Nothing was chosen',
  explanation: 'Nothing was approved. Go back, and choose one of the two buttons.',
};
