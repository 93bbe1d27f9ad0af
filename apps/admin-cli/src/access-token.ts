import { refresh } from './authorization-server.ts';
import type { Config } from './config.ts';
import type { Credentials } from './credentials.ts';
import { CommandFailure } from './failure.ts';
import { machineToken } from './machine-token.ts';

/** How long before its end a token is no longer used, in milliseconds. */
const MARGIN_MS = 10_000;

const SIGN_IN = 'Run `portcullis login`.';

/**
 * A token for the admin API: the machine's where one is configured, else the person's, refreshed when it is due or when
 * it has to be another one (`anew`).
 */
export async function accessToken(
  issuer: string,
  { config, credentials, anew }: { config: Config; credentials: Credentials; anew: boolean },
): Promise<string> {
  if (config.machine) return tokenOfMachine(issuer, config.machine);
  const signIn = credentials.find(issuer);
  if (!signIn) throw new CommandFailure('refused', `You are not signed in to ${issuer}. ${SIGN_IN}`);
  if (!anew && signIn.expiresAt - MARGIN_MS > Date.now()) return signIn.accessToken;
  return refreshed(issuer, credentials);
}

/** Half a machine is never taken for the person who is signed in: a script would act in that name, and with more rights. */
function tokenOfMachine(issuer: string, { clientId, keyFile }: NonNullable<Config['machine']>): Promise<string> {
  if (clientId !== undefined && keyFile !== undefined) return machineToken(issuer, { clientId, keyFile });
  const problem = 'PORTCULLIS_CLIENT_ID and PORTCULLIS_CLIENT_KEY_FILE belong together: set both, or neither.';
  throw new CommandFailure('usage', problem);
}

async function refreshed(issuer: string, credentials: Credentials): Promise<string> {
  const over = `Your sign-in to ${issuer} is over. ${SIGN_IN}`;
  const refreshToken = credentials.find(issuer)?.refreshToken;
  if (refreshToken === undefined) throw new CommandFailure('refused', over);
  try {
    const next = await refresh(issuer, refreshToken);
    credentials.save(issuer, next);
    return next.accessToken;
  } catch (cause) {
    if (!(cause instanceof CommandFailure) || cause.exitCode !== 1) throw cause;
    credentials.remove(issuer);
    throw new CommandFailure('refused', over, { cause });
  }
}
