import {
  createAuditLog,
  createSignInStore,
  type Database,
  inTransaction,
  type SignInStore,
} from '@portcullis/persistence';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import type { ShownSignIn } from '../pages/account-sign-ins.ts';
import type { BoundForm } from '../pages/form-parts.ts';
import type { AccountSession } from './session.ts';

/** The browsers that a user is signed in at, this one first. */
export async function openSignIns(
  { session, now, form }: { session: AccountSession; now: Date; form(path: string): BoundForm },
  { signIns }: { signIns: SignInStore },
): Promise<ShownSignIn[]> {
  const open = await signIns.list({ userId: session.userId, now });
  return open
    .map((signIn) => ({ ...signIn, isThisOne: signIn.id === session.id, end: form(`/sign-ins/${signIn.id}/end`) }))
    .sort((a, b) => Number(b.isThisOne) - Number(a.isThisOne));
}

/** What ending sign-ins needs. */
export type SignInChange = { database: Database; session: AccountSession; now: Date };

/** Ends one sign-in of the user, or with `others` all but this one. False when the user has none by that id. */
export function endSignIn(
  ctx: Context,
  which: { id: string } | 'others',
  { database, session, now }: SignInChange,
): Promise<boolean> {
  return inTransaction(database, async (within) => {
    const signIns = createSignInStore(within);
    const { userId } = session;
    if (which === 'others') await signIns.endOthers({ userId, keep: session.id, now });
    else if (!(await signIns.end({ id: which.id, userId, now }))) return false;
    const { address, correlationId } = requestContext(ctx);
    await createAuditLog(within).record({
      time: now,
      type: 'user.signed_out',
      outcome: 'success',
      subject: userId,
      address,
      correlationId,
      detail: { by: 'account page', which: which === 'others' ? 'all others' : 'one' },
    });
    return true;
  });
}
