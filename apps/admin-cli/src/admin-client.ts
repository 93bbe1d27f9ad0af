import {
  ADMIN_API_PATH,
  ADMIN_OPERATIONS,
  type AdminAnswer,
  type AdminInput,
  type AdminOperation,
  type AdminOperationName,
  type AdminProblem,
  adminProblem,
} from '@portcullis/platform';
import { CommandFailure, unreachable } from './failure.ts';

const TIMEOUT_MS = 30_000;

/** What goes with a call: what stands in the path, the query and the body. */
type CallInput<Name extends AdminOperationName> = Partial<AdminInput<Name>> & {
  params?: Readonly<Record<string, string>>;
};

/** Speaks to the admin API. */
export type AdminClient = {
  /** Carries out an operation. @throws {CommandFailure} when it is refused or not answered. */
  call<Name extends AdminOperationName>(name: Name, input?: CallInput<Name>): Promise<AdminAnswer<Name>>;
};

/** What a client needs; the token is asked for when it is first needed, and `anew` when the server takes it no more. */
export type AdminClientOptions = { issuer: string; token(o?: { anew: boolean }): Promise<string> };

/** Makes a client of the admin API below `issuer`. */
export function createAdminClient({ issuer, token }: AdminClientOptions): AdminClient {
  return {
    async call<Name extends AdminOperationName>(name: Name, input: CallInput<Name> = {}) {
      const operation: AdminOperation = ADMIN_OPERATIONS[name];
      const first = await send(issuer, { operation, input, token: await token() });
      // A key may have been retired, and every token with it that it signed. Nothing was done yet.
      const response =
        first.status === 401 ? await send(issuer, { operation, input, token: await token({ anew: true }) }) : first;
      const json: unknown = await response.json().catch(() => undefined);
      if (!response.ok) throw refusal(issuer, response.status, adminProblem.safeParse(json).data);
      const answer = operation.response.safeParse(json);
      if (!answer.success)
        throw new CommandFailure('unreachable', `${issuer} answers, but not as this version expects.`);
      return answer.data as AdminAnswer<Name>;
    },
  };
}

type Sending = { operation: AdminOperation; input: CallInput<AdminOperationName>; token: string };

async function send(issuer: string, { operation, input, token }: Sending): Promise<Response> {
  const { method, path } = operation;
  const segments = path.replaceAll(/\{(\w+)\}/g, (_match, name: string) =>
    encodeURIComponent(input.params?.[name] ?? ''),
  );
  const url = new URL(`${issuer}${ADMIN_API_PATH}${segments}`);
  for (const [name, value] of Object.entries(input.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const hasBody = method === 'POST' || method === 'PATCH';
  try {
    return await fetch(url, {
      method,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${token}`,
        ...(hasBody && { 'content-type': 'application/json' }),
      },
      ...(hasBody && { body: JSON.stringify(input.body ?? {}) }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw unreachable(issuer, cause);
  }
}

function refusal(issuer: string, status: number, problem: AdminProblem | undefined): CommandFailure {
  if (!problem) return unreachable(issuer, new Error(`status ${status}`));
  const advice = status === 401 ? ' Run `portcullis login`.' : '';
  const trace = status >= 500 && problem.correlationId !== undefined ? ` (${problem.correlationId})` : '';
  return new CommandFailure('refused', `${wordsOf(problem)}${advice}${trace}`, { problem });
}

/** What is wrong, by the options that the person typed where the API names the fields that they became. */
function wordsOf({ errors = [], detail, title }: AdminProblem): string {
  if (errors.length === 0) return detail ?? title;
  const words = errors.map(({ field, problem }) => `${optionOf(field)}: ${problem}`).join('; ');
  return words.endsWith('.') ? words : `${words}.`;
}

/** A member of a list is named by the field and its place in it. */
function optionOf(field: string): string {
  return OPTIONS[field.replace(/\.\d+$/, '')] ?? field;
}

const OPTIONS: Readonly<Record<string, string>> = {
  admin: '--admin',
  authentication: '--auth',
  days: '--days',
  email: '--email',
  identityProvider: '--identity-provider',
  jwks: '--public-key',
  maxUses: '--uses',
  name: '--name',
  outcome: '--outcome',
  overlapSeconds: '--overlap',
  password: '--password-stdin',
  redirectUris: '--redirect-uri',
  resources: '--resource',
  roles: '--role',
  scopes: '--scope',
  state: '--state',
  subject: '--subject',
  ttlSeconds: '--ttl',
  type: '--type',
  version: '--seen',
};
