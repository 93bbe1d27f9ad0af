import type { ClientStanding } from '@portcullis/persistence';
import type { ErrorPage } from '../http/send-page.ts';
import { resetAdvice } from './client-reset.ts';

const START_AGAIN = 'Go back to your app and start signing in again.';

/** What a person is told whose app cannot be used: why, as far as that is known, and what to do about it. */
export function explainStanding(standing: ClientStanding): Omit<ErrorPage, 'status'> {
  switch (standing.state) {
    case 'pending':
      return {
        title: 'This app waits for an administrator',
        explanation: `${naming(standing.name)} has registered, and an administrator of this server has to approve it before anybody can sign in with it.`,
        advice: ['Ask your administrator to approve the app.', `Once it is approved: ${lowerFirst(START_AGAIN)}`],
      };
    case 'rejected':
      return {
        title: 'An administrator has turned this app away',
        explanation: `${naming(standing.name)} may not be used with this server.`,
        advice: ['Ask your administrator if you think that this is a mistake.'],
      };
    case 'disabled':
      return {
        title: 'An administrator has switched this app off',
        explanation: `${naming(standing.name)} may not be used with this server at the moment.`,
        advice: ['Ask your administrator if you think that this is a mistake.'],
      };
    case 'expired':
      return {
        title: "The app's registration has run out",
        explanation: `${naming(standing.name)} was not used here for a while, so its registration was removed. The app still goes by the old one.`,
        advice: [...resetAdvice(standing.name), START_AGAIN],
      };
    case 'deleted':
      return {
        title: "The app's registration was removed",
        explanation: `${naming(standing.name)} is registered here no more, but still goes by its old registration.`,
        advice: [...resetAdvice(standing.name), START_AGAIN],
      };
    case 'active':
    case 'unknown':
      return {
        title: 'This server does not know the app',
        explanation: 'The app uses a registration that was removed or never existed here.',
        advice: [...resetAdvice(undefined), START_AGAIN],
      };
  }
}

const LONGEST_NAME = 60;

/** The name that a stranger chose, marked as one. */
function naming(name: string | undefined): string {
  return name === undefined ? 'The app' : `The app that calls itself “${name.slice(0, LONGEST_NAME).toWellFormed()}”`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
