import { InvalidArgumentError } from 'commander';

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Gathers an option that may be given several times. */
export function collected(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Reads a length of time, such as 90s, 30m, 24h or 7d, as seconds. */
export function duration(text: string): number {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = UNIT_SECONDS[unit];
  if (amount === undefined || seconds === undefined)
    throw new InvalidArgumentError('Write a length of time, such as 90s, 30m, 24h or 7d.');
  return Number(amount) * seconds;
}

/** Reads a moment: a date or time (ISO 8601), or a length of time back from now. */
export function moment(text: string): string {
  if (/^\d{1,6}[smhd]$/.test(text)) return new Date(Date.now() - duration(text) * 1000).toISOString();
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError('Write a time such as 2026-11-20T09:00Z, or 2h for two hours ago.');
  return new Date(time).toISOString();
}

const SUBJECT_TYPES = ['dns', 'uri', 'ip', 'email'] as const;

/** A name in a certificate beside its subject. */
export type SubjectName = { type: (typeof SUBJECT_TYPES)[number]; value: string };

/** Reads one of the other names of a certificate, such as dns:importer.example. */
export function subjectName(text: string): SubjectName {
  const [, word, value] = /^([a-z]+):(.+)$/.exec(text) ?? [];
  const type = SUBJECT_TYPES.find((known) => known === word);
  if (type === undefined || value === undefined)
    throw new InvalidArgumentError('Write dns:, uri:, ip: or email: and the name.');
  return { type, value };
}

/** Reads a whole number of at least 1. */
export function count(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('Write a whole number of at least 1.');
  return Number(text);
}

/** Reads a record's number: 0 for before the first one. */
export function sequenceNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Write the number of a record.');
  return Number(text);
}

/** Global options that take no value: what follows them is not theirs. */
const FLAGS = new Set(['--yes', '--json']);

/**
 * Moves ids that begin with `-` behind a `--`, so that they are not taken for options: the ids of grants and of clients
 * that registered themselves are 43 and 22 characters of base64url. What follows an option stays, as its value.
 */
export function idsAsOperands(args: readonly string[]): string[] {
  if (args.includes('--')) return [...args];
  const isId = (arg: string, i: number) => {
    const before = args[i - 1] ?? '';
    if (before.startsWith('--') && !FLAGS.has(before)) return false;
    return /^-(?:[\w-]{21}|[\w-]{42})$/.test(arg) && !/^--[a-z-]+$/.test(arg);
  };
  const ids = args.filter(isId);
  if (ids.length === 0) return [...args];
  return [...args.filter((arg, i) => !isId(arg, i)), '--', ...ids];
}
