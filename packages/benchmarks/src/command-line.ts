import { parseArgs } from 'node:util';

/** What a run is asked for. */
type Wanted = {
  /** Cases by name; none means all. */
  cases: string[];
  quick: boolean;
  rounds: number | undefined;
  size: number | undefined;
  /** The folder of the report. */
  out: string;
  /** The folder of the profiles. */
  profile: string | undefined;
};

/** What the arguments came to: a run, the usage that was asked for, or what is wrong with them. */
export type Asked =
  | { kind: 'run'; wanted: Wanted }
  | { kind: 'help'; text: string }
  | { kind: 'wrong'; problem: string };

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  size: { type: 'string' },
  out: { type: 'string', default: 'benchmark-results' },
  profile: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** How it is used, with the cases that there are. */
function usage(cases: readonly string[]): string {
  return `Usage: npm run bench -- [options] [case ...]

Measures, prints tables, and writes a report. Without a case it runs all.

Cases: ${cases.join(', ')}

Options:
  --quick           a run of seconds that shows that it works and says nothing of speed
  --rounds NUMBER   how many rounds each variant is measured
  --size NUMBER     how much of a case; what it counts depends on the case
  --out FOLDER      where the report goes (default: ${OPTIONS.out.default})
  --profile FOLDER  have every server write a profile of its processor time there
  -h, --help        show this
`;
}

/** Reads the arguments of a run. */
export function readArguments(args: readonly string[], cases: readonly string[]): Asked {
  const parsed = parse(args);
  if ('problem' in parsed) return { kind: 'wrong', problem: parsed.problem };
  const { values, positionals } = parsed;
  if (values.help) return { kind: 'help', text: usage(cases) };
  const unknown = positionals.find((name) => !cases.includes(name));
  if (unknown !== undefined)
    return { kind: 'wrong', problem: `There is no case ${unknown}. There are: ${cases.join(', ')}.` };
  for (const name of ['rounds', 'size'] as const)
    if (values[name] !== undefined && !/^[1-9]\d{0,8}$/.test(values[name]))
      return { kind: 'wrong', problem: `--${name} takes a whole number of at least 1.` };
  const { quick, out, profile } = values;
  const [rounds, size] = [values.rounds, values.size].map((text) => (text === undefined ? undefined : Number(text)));
  return { kind: 'run', wanted: { cases: positionals, quick, rounds, size, out, profile } };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  } catch (cause) {
    if (!(cause instanceof TypeError && 'code' in cause && String(cause.code).startsWith('ERR_PARSE_ARGS_')))
      throw cause;
    return { problem: `${cause.message.split(/\. /)[0]?.replace(/\.$/, '')}.` };
  }
}
