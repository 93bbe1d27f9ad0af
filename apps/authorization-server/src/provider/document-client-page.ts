import type { ErrorPage } from '../http/send-page.ts';
import type { DocumentClientProblem } from './document-clients.ts';

/** What a person is told when an app that names itself by a URL cannot be used. */
export function documentClientPage({ clientId, refusal }: DocumentClientProblem): ErrorPage {
  const host = URL.canParse(clientId) ? new URL(clientId).host : 'an address that is none';
  const whatWasWrong = `About its document at ${host}: ${refusal.detail}.`;
  switch (refusal.reason) {
    case 'unreachable':
      return {
        status: 503,
        title: 'The app cannot be checked at the moment',
        explanation: `The app names itself by a document at ${host}, and this server could not fetch it: ${refusal.detail}.`,
        advice: ['Try again in a minute.', 'If it goes on, tell the administrator of this server the reference below.'],
      };
    case 'withdrawn':
      return {
        status: 400,
        title: 'The app can no longer be used here',
        explanation: `The app names itself by a document that cannot be accepted. ${whatWasWrong}`,
        advice: ['Look for a newer version of the app, or tell its makers.'],
      };
    case 'malformed':
      return {
        status: 400,
        title: 'The app names itself in a way that cannot be used',
        explanation: 'Its client_id must be an https URL with a path, without user name, dot segments or fragment.',
        advice: ['Look for a newer version of the app, or tell its makers.'],
      };
    case 'awaiting_approval':
      return {
        status: 403,
        title: 'An administrator has to approve the app first',
        explanation: `Nobody has used an app from ${host} here before. An administrator of this server can now see that it asked.`,
        advice: ['Ask the administrator to approve it, then start signing in again.'],
      };
    case 'denied':
    case 'rejected':
      return {
        status: 403,
        title: 'The app is not allowed here',
        explanation: `The administrators of this server do not let apps from ${host} in.`,
        advice: ['Ask an administrator if you think that it should be.'],
      };
  }
}
