import { text } from 'node:stream/consumers';
import { goodClaims, type Interference, NOON } from './issuer.ts';

/** The introspection endpoint of a test issuer, in the hands of the test. */
export type TestIntrospection = {
  interference: Interference;
  /** What was asked so far, the newest last. */
  asked: { authorization: string | undefined; form: URLSearchParams }[];
  /** Answers the next questions so. */
  answerWith(answer: (token: string) => Reply | undefined | Promise<Reply>): void;
};

type Reply = { status: number; body?: unknown };

/** What the issuer says of a personal access token that is good for a day. */
export function goodAnswer(issuer: string, claims: Record<string, unknown> = {}) {
  const seconds = NOON.getTime() / 1000;
  return {
    ...goodClaims(issuer),
    ...{ active: true, client_id: 'personal-access-token', gid: 'pat-1', roles: ['agent'], exp: seconds + 86_400 },
    ...claims,
  };
}

/** Answers nothing at all where `answerWith` gave no answer. */
export function introspectionEndpoint(): TestIntrospection {
  const asked: TestIntrospection['asked'] = [];
  let answerTo: Parameters<TestIntrospection['answerWith']>[0] = () => undefined;
  return {
    asked,
    answerWith(answer) {
      answerTo = answer;
    },
    interference(request, response) {
      if (request.url !== '/introspect') return false;
      void text(request).then(async (body) => {
        const form = new URLSearchParams(body);
        asked.push({ authorization: request.headers.authorization, form });
        const answer = await answerTo(form.get('token') ?? '');
        if (answer === undefined) return;
        response
          .writeHead(answer.status, { 'content-type': 'application/json' })
          .end(answer.body === undefined ? '' : JSON.stringify(answer.body));
      });
      return true;
    },
  };
}
