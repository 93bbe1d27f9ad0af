import type { Logger } from '@portcullis/platform';
import type { Middleware } from 'koa';
import type { RequestState } from './correlation-id.ts';
import { JSON_RPC_ERROR, jsonRpcError } from './json-rpc-error.ts';

/** Turns whatever escapes below into an answer without details; the log has them, under the same correlation id. */
export function errorBoundary(logger: Logger): Middleware<RequestState> {
  return async (context, next) => {
    try {
      await next();
    } catch (cause) {
      const { correlationId } = context.state;
      if (!context.req.complete && context.req.destroyed) return logger.debug({ correlationId }, 'a client went away');
      logger.error({ err: cause, correlationId }, 'a request failed');
      context.status = 500;
      context.body = jsonRpcError({ code: JSON_RPC_ERROR.internalError, message: 'Internal error', correlationId });
    }
  };
}
