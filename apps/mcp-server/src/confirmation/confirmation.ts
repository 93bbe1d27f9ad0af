import { CLIENT_CAPABILITIES_META_KEY, type ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { ToolPrincipal } from '../tools/tool.ts';
import type { AskedCall, Consent } from './asked-call.ts';
import type { ClientForm } from './client-form.ts';
import type { ConfirmationPage } from './page.ts';

/** Who may ask a user: the client too, or our own page alone. */
export const CONFIRMATION_POLICIES = ['client', 'page'] as const;
/** One of {@link CONFIRMATION_POLICIES}. */
export type ConfirmationPolicy = (typeof CONFIRMATION_POLICIES)[number];

/** What asking works with; without a page there is no secret to ask for one. */
export type ConfirmationDeps = { policy: ConfirmationPolicy; form: ClientForm; page: ConfirmationPage | undefined };

/** Sees to it that a user agrees to each call of a dangerous tool (SP-29). */
export type Confirmation = {
  /** Judges a `requestState` before its handler runs (RS-30). */
  verifyState(principal: ToolPrincipal, state: string, context: ServerContext): Promise<unknown>;
  /** Whether the user agreed to this very call. An approval is used up by being found. */
  consentTo(call: AskedCall, context: ServerContext): Promise<Consent & { opensPage: boolean }>;
};

/**
 * Asks on our own page where the client can open one, or can ask nothing, and by the client's form where that is all it
 * can and a user let that client in. A page is behind the user's own sign-in, so it is the stronger word.
 */
export function createConfirmation({ policy, form, page }: ConfirmationDeps): Confirmation {
  return {
    verifyState: form.verify,
    async consentTo(call, context) {
      const can = elicitationOf(context);
      const opensPage = can.url;
      if (policy === 'client' && can.form && isAppOfUser(call.principal) && !(can.url && page)) {
        return { ...(await form.takeOrAsk(call, context)), opensPage };
      }
      if (page) return { ...(await page.useOrAsk(call)), opensPage };
      return { given: false, reason: 'nobody-to-ask', opensPage };
    },
  };
}

/**
 * Whether a user let an app act for them. A machine has no user, and whoever holds a personal access token is an app that
 * nobody was asked about: a form would be filled in by the very caller that is to be confirmed.
 */
function isAppOfUser({ credential, subject, clientId, roles }: ToolPrincipal): boolean {
  return credential === 'access_token' && roles !== undefined && subject !== clientId;
}

const declared = z
  .object({
    [CLIENT_CAPABILITIES_META_KEY]: z.object({
      elicitation: z.object({ form: z.unknown(), url: z.unknown() }).partial(),
    }),
  })
  .optional()
  .catch(undefined);

/**
 * What the client can ask. In the older era it says so when it connects, and without sessions that is not known any
 * more; so it can ask nothing then. An empty declaration means forms.
 */
function elicitationOf({ mcpReq }: ServerContext): { form: boolean; url: boolean } {
  const elicitation = declared.parse(mcpReq.envelope)?.[CLIENT_CAPABILITIES_META_KEY].elicitation;
  if (elicitation === undefined) return { form: false, url: false };
  const url = elicitation.url !== undefined;
  return { form: elicitation.form !== undefined || !url, url };
}
