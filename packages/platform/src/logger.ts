import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { traceFields } from './tracing/spans.ts';

export type { Logger } from 'pino';

/** Log levels that `LOG_LEVEL` accepts, the quietest first. */
export const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** Names under which a secret could reach a log line; they are masked at the top and two levels down. */
const SECRET_NAMES = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'code_verifier',
  'client_secret',
  'client_assertion',
  'assertion',
  'secret',
  'query',
  'querystring',
  'search',
];

/** Where `code` is an authorization code. Below `err` it is a system error's, such as ECONNREFUSED, and must be read. */
const CODE_PATHS = ['code', 'params.code', 'body.code'];

/** How a log is set up. */
export type LoggerOptions = {
  /** Which process speaks. */
  name: string;
  level: (typeof LOG_LEVELS)[number];
  /** Where lines go; standard output by default. */
  destination?: DestinationStream;
};

/**
 * Makes the one logger of a process: JSON lines on a pipe, readable lines on a terminal. A line that is written while a
 * request is traced names its trace.
 * Masks values under names that carry secrets; it cannot find a secret inside a sentence, so never put one there.
 */
export function createLogger({ name, level, destination }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    mixin: traceFields,
    redact: { paths: [...CODE_PATHS, ...redactedPaths(SECRET_NAMES)], censor: '[secret]' },
  };
  if (destination) return pino(options, destination);
  return isatty(1) ? pino(options, PinoPretty({ ignore: 'pid,hostname', sync: true })) : pino(options);
}

function redactedPaths(names: readonly string[]): string[] {
  return names.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);
}
