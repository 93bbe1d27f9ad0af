import { type CallToolResult, type InputRequiredResult, inputRequired } from '@modelcontextprotocol/server';
import type { AskedCall, Consent } from './asked-call.ts';
import { QUESTION } from './client-form.ts';

type NotGiven = Exclude<Consent, { given: true }>;

/** What a caller gets in place of a result, and how the call is recorded. */
export type Unconfirmed = {
  decision: 'awaiting-confirmation' | 'not-confirmed';
  answer: CallToolResult | InputRequiredResult;
};

/** Puts into words, or into a question, why a call is not made now. `opensPage`: the client can open a page for its user. */
export function unconfirmed(call: AskedCall, consent: NotGiven, opensPage: boolean): Unconfirmed {
  switch (consent.reason) {
    case 'asked': {
      const { where } = consent;
      const answer = where.by === 'client' ? byForm(call, where.state) : byPage(call, where.url, opensPage);
      return { decision: 'awaiting-confirmation', answer };
    }
    case 'denied':
      return refused('The user has not agreed to this call. Do not repeat it unless they ask for it.');
    case 'not-this-call':
      return refused('The confirmation is for another call. Make this call anew, without it.');
    case 'used':
      return refused('The confirmation was used already. Make the call anew, without it.');
    case 'nobody-to-ask':
      return refused('This call needs the confirmation of the user, who cannot be asked here.');
  }
}

function refused(text: string): Unconfirmed {
  return { decision: 'not-confirmed', answer: failure(text) };
}

function byForm(call: AskedCall, requestState: string): InputRequiredResult {
  const requestedSchema = {
    type: 'object' as const,
    properties: { [QUESTION]: { type: 'boolean' as const, title: 'Allow this once', default: false } },
    required: [QUESTION],
  };
  return inputRequired({
    inputRequests: { [QUESTION]: inputRequired.elicit({ message: question(call), requestedSchema }) },
    requestState,
  });
}

/** A client that opened the page sends the call again by itself; for all others the model has to be told. */
function byPage(call: AskedCall, url: string, opensPage: boolean): CallToolResult | InputRequiredResult {
  if (opensPage)
    return inputRequired({ inputRequests: { [QUESTION]: inputRequired.elicitUrl({ message: question(call), url }) } });
  return failure(
    `This call needs the confirmation of the user. Give them this link, which works for them alone and for ten minutes: ${url} – when they have agreed there, make exactly the same call again.`,
  );
}

function question({ tool, arguments: args }: AskedCall): string {
  const lines = Object.entries(args).map(([name, value]) => `${name}: ${readable(value)}`);
  return [`Allow this once? ${tool.title} (${tool.name})`, ...lines].join('\n');
}

/** As JSON, so that no text can pose as another line; and nothing in it hides or reorders what stands there. */
function readable(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{FFFD}');
}

function failure(text: string): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}
