import type { UpstreamFailure } from '../upstream/connector.ts';
import type { Page } from './document.ts';
import { foreignName, foreignText } from './foreign-text.ts';
import { formTokenField } from './form-parts.ts';
import { html } from './html.ts';

/** What the pages between this server and an upstream have in common. */
type UpstreamPageInput = Readonly<{ action: string; formToken: string; clientName: string; upstreamName: string }>;

/** Says why an upstream is not connected; posts `action`, which is `connect` or `deny`. */
export function upstreamProblemPage(input: UpstreamPageInput & Readonly<{ failure: UpstreamFailure }>): Page {
  const title = `${input.upstreamName} is not connected`;
  const body = html`<h1>${title}</h1>
<p>${wordsFor(input.failure, input.upstreamName)} Nothing was stored.</p>
<p class="quiet">${foreignName(input.clientName)} works with your account at ${input.upstreamName}, and cannot do so without it.</p>
<form method="post" action="${input.action}" autocomplete="off">
${formTokenField(input.formToken)}
<div class="actions side-by-side">
<button type="submit" name="action" value="deny">Go back to the app</button>
<button type="submit" class="main" name="action" value="connect">Try again</button>
</div>
</form>`;
  return { title, body };
}

function wordsFor(failure: UpstreamFailure, name: string): string {
  switch (failure) {
    case 'user_refused':
      return `You, or ${name}, said no.`;
    case 'error':
    case 'over':
      return `${name} answered with an error.`;
    case 'wrong_issuer':
      return `The answer did not come from ${name}, and was not used.`;
    case 'unreachable':
      return `${name} cannot be reached at the moment.`;
    case 'slow':
      return `${name} takes too long to answer.`;
    case 'bad_answer':
      return `${name} gave an answer that cannot be used.`;
    case 'more_than_asked':
      return `${name} gave more access than you had agreed to here. It was given back.`;
    case 'less_than_asked':
      return `${name} gave nothing of the access that you had agreed to here. What it gave was given back.`;
  }
}

/** Asks whether another account at an upstream is meant; posts `action`: `use`, `connect` or `deny`. */
export function upstreamAccountPage(
  input: UpstreamPageInput & Readonly<{ account: string; others: readonly string[] }>,
): Page {
  const title = `Another account at ${input.upstreamName}?`;
  const body = html`<h1>${title}</h1>
<p>You are about to connect an account at ${input.upstreamName} that you have not used here before.</p>
<dl class="facts">
<div><dt>Now</dt><dd>${foreignText(input.account)}</dd></div>
<div><dt>Until now</dt><dd>${foreignText(input.others.join(', '))}</dd></div>
</dl>
<p class="quiet">${foreignName(input.clientName)} would use the new one. What is connected already stays as it is.</p>
<form method="post" action="${input.action}" autocomplete="off">
${formTokenField(input.formToken)}
<div class="actions">
<button type="submit" name="action" value="deny">Go back to the app</button>
<button type="submit" name="action" value="connect">Choose another account</button>
<button type="submit" class="main" name="action" value="use">Use this account</button>
</div>
</form>`;
  return { title, body };
}
