import { hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { createRequestStateCodec, inputResponse, type ServerContext } from '@modelcontextprotocol/server';
import type { Secret } from '@portcullis/platform';
import type { Counter } from '../policy/counters.ts';
import type { ToolPrincipal } from '../tools/tool.ts';
import { type AskedCall, type Consent, callHash } from './asked-call.ts';

/** What the sealed state says: its own id, which is good once, and the call that it belongs to. */
type State = { id: string; callHash: string };

/** Asks users through their client, in a form, over two requests (RS-30). */
export type ClientForm = {
  /** Judges the state of a request before its handler runs. Throws for one that is not ours, or not for this caller. */
  verify(principal: ToolPrincipal, state: string, context: ServerContext): Promise<State>;
  /** Takes the answer that came with a request, or sees to it that the user is asked. */
  takeOrAsk(call: AskedCall, context: ServerContext): Promise<Consent>;
};

/** The name of the one question. */
export const QUESTION = 'confirm';

const STATE_SECONDS = 300;
/** Longer than any state lives: what was used stays used. */
export const USED_SECONDS = 2 * STATE_SECONDS;

/**
 * Makes it. The state is sealed with HMAC by the SDK's own codec and bound to user, grant and client; it names the tool
 * with its arguments, lives for five minutes, and is used up by the first answer that comes with it, whatever that says.
 *
 * @param used counts over all replicas, and fails where it cannot: an answer is never taken uncounted
 */
export function clientForm(key: Buffer, used: Counter): ClientForm {
  const codecFor = ({ subject, grantId, clientId }: ToolPrincipal) =>
    createRequestStateCodec<State>({
      key,
      ttlSeconds: STATE_SECONDS,
      bind: () => JSON.stringify([subject, grantId ?? null, clientId]),
    });
  return {
    verify: (principal, state, context) => codecFor(principal).verify(state, context),
    async takeOrAsk(call, context) {
      const state = context.mcpReq.requestState<State>();
      if (state === undefined) {
        const fresh = { id: randomUUID(), callHash: callHash(call) };
        const sealed = await codecFor(call.principal).mint(fresh, context);
        return { given: false, reason: 'asked', where: { by: 'client', state: sealed } };
      }
      if (state.callHash !== callHash(call)) return { given: false, reason: 'not-this-call' };
      const { taken } = await used.take(state.id, 1);
      if (!taken) return { given: false, reason: 'used' };
      return isYes(context) ? { given: true } : { given: false, reason: 'denied' };
    },
  };
}

function isYes({ mcpReq }: ServerContext): boolean {
  const response = inputResponse(mcpReq.inputResponses, QUESTION);
  return response.kind === 'elicit' && response.action === 'accept' && response.content?.[QUESTION] === true;
}

/**
 * The key for the states. Replicas have one from the secret that they share; without that, and where there is one
 * process only, it is made anew at each start, so that no answer outlives the memory of what was used.
 */
export function stateKey({
  databaseUrl,
  clientSecret,
}: Record<'databaseUrl' | 'clientSecret', Secret | undefined>): Buffer {
  if (databaseUrl === undefined || clientSecret === undefined) return randomBytes(32);
  return Buffer.from(hkdfSync('sha256', clientSecret.reveal(), 'portcullis', 'confirmation states', 32));
}
