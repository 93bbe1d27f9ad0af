import type { AdminProblem } from '@portcullis/platform';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';

/** One part of a request that cannot be taken. */
export type FieldProblem = { field: string; problem: string };

/** Why an administrator's request is refused. */
export type AdminRefusal =
  | { reason: 'invalid_request'; errors: FieldProblem[] }
  | { reason: 'not_found'; what: string }
  | { reason: 'conflict'; detail: string }
  | { reason: 'insufficient_scope'; scope: string; isMachine: boolean }
  | { reason: 'unauthorized'; detail: string; status: number };

type Words = Pick<AdminProblem, 'status' | 'title' | 'detail' | 'errors'>;

/** Answers a refusal as problem details (RFC 9457). */
export function sendRefusal(ctx: Context, refusal: AdminRefusal): void {
  sendProblem(ctx, refusal.reason, wordsFor(refusal));
}

/** Answers that we are at fault; what happened stands in the log under the same correlation id. */
export function sendFault(ctx: Context): void {
  sendProblem(ctx, 'server_error', {
    status: 500,
    title: 'Something went wrong in the server',
    detail: 'Nothing was changed. The log of the server says more under this correlation id.',
  });
}

function sendProblem(ctx: Context, reason: string, words: Words): void {
  const problem: AdminProblem = {
    type: `urn:portcullis:problem:${reason}`,
    ...words,
    correlationId: requestContext(ctx).correlationId,
  };
  ctx.status = words.status;
  ctx.set('Cache-Control', 'no-store');
  ctx.body = JSON.stringify(problem);
  ctx.type = 'application/problem+json';
}

function wordsFor(refusal: AdminRefusal): Words {
  switch (refusal.reason) {
    case 'invalid_request':
      return {
        status: 400,
        title: 'The request cannot be taken',
        detail: refusal.errors.map(({ field, problem }) => `${field}: ${problem}`).join('; '),
        errors: refusal.errors,
      };
    case 'not_found':
      return { status: 404, title: 'There is no such thing', detail: `There is no ${refusal.what}.` };
    case 'conflict':
      return { status: 409, title: 'This cannot be done', detail: refusal.detail };
    case 'insufficient_scope':
      return {
        status: 403,
        title: 'This token does not allow it',
        detail: `It takes ${refusal.scope === 'any' ? 'a scope of administration' : `the scope ${refusal.scope}`}, ${
          refusal.isMachine ? 'which this machine was not registered with.' : 'granted by somebody with the role admin.'
        }`,
      };
    case 'unauthorized':
      return { status: refusal.status, title: 'An access token for administration is needed', detail: refusal.detail };
  }
}
