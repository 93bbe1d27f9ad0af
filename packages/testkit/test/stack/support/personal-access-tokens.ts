import { createHttpPerson, type HttpPerson, type Step } from '../../../src/index.ts';
import { join, type Member, signInAtAccount } from './account.ts';
import type { InProcess } from './in-process.ts';

/** Somebody with an account, in front of the page on which tokens are made for `resource`. */
export type Holder = {
  who: Pick<Member, 'password' | 'userId' | 'email'>;
  person: HttpPerson;
  page: Step;
  resource: string;
};

let nth = 0;

/** Somebody new who is signed in; from an address of their own, so that no test uses up another one's tries. */
export async function newHolder(server: InProcess, roles: readonly string[] = ['lead']): Promise<Holder> {
  nth += 1;
  const who = await join(server, `holder-${nth}@example.com`, roles);
  const person = createHttpPerson({ fromAddress: `127.0.2.${nth}` });
  await signInAtAccount(server.issuer, person, who);
  return { who, person, page: await person.open(`${server.issuer}/account/tokens/new`), resource: server.mcpUrl };
}

/** Sends the form that makes a token for the standard resource; `changes` are put over what is right. */
export function askForToken(
  { who, person, page, resource }: Holder,
  changes: Record<string, string | readonly string[]> = {},
): Promise<Step> {
  const right = { name: 'editor', scope: ['desk:read', 'desk:write'], days: '30', current_password: who.password };
  return person.submit(page, { ...right, action: 'issue', ...changes }, ({ action, defaults }) => {
    return action.pathname.endsWith('/account/tokens') && defaults.some(([, value]) => value === resource);
  });
}

/** The token that a page shows. */
export function shownToken({ answer }: Step): string {
  const [, token] = /<code[^>]* id="token">(pct_[\w-]{49})</.exec(answer.text) ?? [];
  if (token === undefined) throw new Error(`no token: ${answer.text}`);
  return token;
}

/** Makes a token at the account page. */
export async function makeToken(holder: Holder, changes?: Parameters<typeof askForToken>[1]): Promise<string> {
  return shownToken(await askForToken(holder, changes));
}
