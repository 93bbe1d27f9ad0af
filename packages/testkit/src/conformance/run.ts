import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { z } from 'zod';

/** One line of a scenario's report. */
export type ConformanceCheck = z.infer<typeof checkSchema>;

/** What a run of the suite left behind. */
export type ConformanceRun = {
  exitCode: number | null;
  /** Standard output and error, in the order they came. */
  output: string;
  /** The checks of each scenario, by its name. */
  scenarios: ReadonlyMap<string, readonly ConformanceCheck[]>;
};

const checkSchema = z.object({
  id: z.string(),
  name: z.string(),
  status: z.enum(['SUCCESS', 'FAILURE', 'WARNING', 'SKIPPED', 'INFO']),
  errorMessage: z.string().optional(),
  details: z.unknown().optional(),
});

/**
 * Runs the official conformance suite, as `conformance ARGS -o OUTDIR`, on the Node.js that runs this process (it needs 22 or later).
 * Ends it after `timeoutMs`; the exit code is then null.
 */
export async function runConformance(options: {
  args: readonly string[];
  /** An empty folder for the reports. */
  outDir: string;
  timeoutMs: number;
  /** What the suite needs in its environment to trust a proxy in front. */
  trust?: Readonly<Record<string, string>>;
  /** Told of all output so far, whenever there is more. */
  onOutput?: (output: string) => void;
}): Promise<ConformanceRun> {
  const { exitCode, output } = await runSuite(options);
  return { exitCode, output, scenarios: await readReports(options.outDir) };
}

/** The scenarios on whose result alone a server run of `revision` ends, as the suite itself lists them. */
export async function requiredServerScenarios(revision: string): Promise<string[]> {
  const { output } = await runSuite({ args: ['list', '--server', '--requirements', revision], timeoutMs: 30_000 });
  const [, section = ''] = /Server scenarios[^\n]*\n((?: {2}- [^\n]+\n)+)/.exec(output) ?? [];
  return section.split('\n').flatMap((line) => (line.startsWith('  - ') ? [line.slice(4)] : []));
}

type SuiteOptions = {
  args: readonly string[];
  outDir?: string;
  timeoutMs: number;
  trust?: Readonly<Record<string, string>>;
  onOutput?: (output: string) => void;
};

function runSuite({
  args,
  outDir,
  timeoutMs,
  trust,
  onOutput,
}: SuiteOptions): Promise<{ exitCode: number | null; output: string }> {
  const require = createRequire(import.meta.url);
  const bin = require.resolve('@modelcontextprotocol/conformance/dist/index.js');
  const outArgs = outDir === undefined ? [] : ['-o', outDir];
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [bin, ...args, ...outArgs], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    env: { PATH, NODE_COMPILE_CACHE, NO_COLOR: '1', ...trust },
  });
  let output = '';
  const read = (text: string) => {
    output += text;
    onOutput?.(output);
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', read);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, output }));
  });
}

/** A report folder is called `MODE-SCENARIO-TIMESTAMP` (or without the first part) and holds `checks.json`. */
async function readReports(outDir: string): Promise<Map<string, ConformanceCheck[]>> {
  const scenarios = new Map<string, ConformanceCheck[]>();
  const files = (await readdir(outDir, { recursive: true })).filter((file) => path.basename(file) === 'checks.json');
  for (const file of files) {
    const checks = z.array(checkSchema).parse(JSON.parse(await readFile(path.join(outDir, file), 'utf8')));
    scenarios.set(scenarioOf(path.dirname(file)), checks);
  }
  return scenarios;
}

function scenarioOf(folder: string): string {
  return folder
    .replace(/^(?:authorization-server|server|client)-(?=.*-\d{4}-)/, '')
    .replace(/-\d{4}-\d{2}-\d{2}T.*$/, '');
}
