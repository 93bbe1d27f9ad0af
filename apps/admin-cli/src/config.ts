import { homedir } from 'node:os';
import { join } from 'node:path';

/** Everything that the command line is told from outside, but for its arguments. */
export type Config = Readonly<{
  /** The server to speak to, where no option names one. */
  issuer: string | undefined;
  /** Where sign-ins are kept. */
  credentialsFile: string;
  /** A program that opens a URL, in place of the system's own. */
  browser: string | undefined;
  /** What an unattended caller authenticates with, in place of a sign-in; half of it is a mistake. */
  machine: { clientId: string | undefined; keyFile: string | undefined } | undefined;
}>;

/** Reads the environment. The only place that does. */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  const { PORTCULLIS_CLIENT_ID: clientId, PORTCULLIS_CLIENT_KEY_FILE: keyFile } = env;
  return {
    issuer: env.PORTCULLIS_ISSUER || undefined,
    credentialsFile: join(configurationFolder(env), 'portcullis', 'credentials.json'),
    browser: env.BROWSER || undefined,
    machine: clientId || keyFile ? { clientId: clientId || undefined, keyFile: keyFile || undefined } : undefined,
  };
}

function configurationFolder({ XDG_CONFIG_HOME, APPDATA, HOME }: Readonly<Record<string, string | undefined>>): string {
  return XDG_CONFIG_HOME || (process.platform === 'win32' && APPDATA) || join(HOME || homedir(), '.config');
}
