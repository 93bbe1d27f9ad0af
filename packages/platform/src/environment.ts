import { readFileSync } from 'node:fs';
import { Secret } from './secret.ts';
import { StartupError } from './startup-error.ts';

/** Reads typed values from environment variables and gathers every problem before it complains. */
export type EnvironmentReader = {
  /** The text of a variable; an empty variable counts as unset. */
  optional(name: string): string | undefined;
  /** The text of a variable, or `fallback`. */
  string(name: string, fallback: string): string;
  /** A whole number within `min` and `max`, both included. */
  integer(name: string, range: { fallback: number; min: number; max: number }): number;
  /** A TCP port, 0 to 65535; 0 lets the system choose. */
  port(name: string, fallback: number): number;
  /** An absolute http or https URL without user name, query or fragment; http only where the host is loopback. */
  url(name: string, fallback: string): URL;
  /** One of a closed set of words. */
  oneOf<Word extends string>(name: string, words: readonly Word[], fallback: Word): Word;
  /** `NAME`, or the content of the file that `NAME_FILE` names. Both at once is a problem. */
  secret(name: string): Secret | undefined;
  /** Notes a problem that the caller found. Never put a value into the text. */
  problem(text: string): void;
  /** Throws a {@link StartupError} that lists every problem, if there is one. */
  finish(): void;
};

/** Makes a reader over `env`. Nothing is thrown before `finish()`, and no value is ever printed. */
export function environmentReader(env: Readonly<Record<string, string | undefined>>): EnvironmentReader {
  const problems: string[] = [];
  const problem = (text: string) => void problems.push(text);
  const optional = (name: string) => env[name] || undefined;

  const integer: EnvironmentReader['integer'] = (name, { fallback, min, max }) => {
    const text = optional(name);
    if (text === undefined) return fallback;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    problem(`${name} must be a whole number from ${min} to ${max}.`);
    return fallback;
  };

  return {
    optional,
    integer,
    problem,
    string: (name, fallback) => optional(name) ?? fallback,
    port: (name, fallback) => integer(name, { fallback, min: 0, max: 65535 }),
    url(name, fallback) {
      const parsed = parseUrl(optional(name) ?? fallback);
      if (parsed.ok) return parsed.url;
      problem(`${name} ${parsed.problem}`);
      return new URL(fallback);
    },
    oneOf(name, words, fallback) {
      const text = optional(name);
      if (text === undefined) return fallback;
      const word = words.find((candidate) => candidate === text);
      if (word === undefined) problem(`${name} must be one of ${words.join(', ')}.`);
      return word ?? fallback;
    },
    secret(name) {
      const text = readSecret({ name, value: optional(name), file: optional(`${name}_FILE`) }, problem);
      return text === undefined ? undefined : new Secret(text);
    },
    finish() {
      if (problems.length > 0) throw new StartupError(problems);
    },
  };
}

/** Whether `host` (as `URL.hostname` prints it) names this machine's loopback: localhost, 127.0.0.0/8 or [::1]. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

type ParsedUrl = { ok: true; url: URL } | { ok: false; problem: string };

function parseUrl(text: string): ParsedUrl {
  if (!URL.canParse(text)) return { ok: false, problem: 'must be an absolute URL, such as https://login.example.com.' };
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return { ok: false, problem: 'must be an http or https URL.' };
  if (url.username || url.password || url.search || url.hash) {
    return { ok: false, problem: 'must have no user name, query or fragment.' };
  }
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    return {
      ok: false,
      problem: 'must use https: plain http is allowed on a loopback host (localhost, 127.0.0.1) only.',
    };
  }
  return { ok: true, url };
}

function readSecret(
  { name, value, file }: { name: string; value: string | undefined; file: string | undefined },
  problem: (text: string) => void,
): string | undefined {
  if (file === undefined) return value;
  if (value !== undefined) {
    problem(`${name} and ${name}_FILE are both set; keep one of them.`);
    return undefined;
  }
  try {
    const text = readFileSync(file, 'utf8').trim();
    if (text === '') problem(`The file that ${name}_FILE names is empty.`);
    return text || undefined;
  } catch {
    problem(`The file that ${name}_FILE names cannot be read.`);
    return undefined;
  }
}
