import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const CASES = ['machine-limits', 'guard-overhead', 'token-endpoint', 'journey', 'login', 'revocation', 'watching'];

type Bar = { name: string; median: number; lower: number; upper: number };
type Report = { results: { name: string; charts: { title: string; bars: Bar[] }[] }[] };

let folder: string;
let report: Report;
let code: unknown;
let output = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-benchmark-'));
  const run = spawn(process.execPath, [MAIN, '--quick', '--out', folder, ...CASES], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [run.stdout, run.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  [code] = await once(run, 'close');
  if (code !== 0) throw new Error(output);
  report = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8'));
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

test.each(CASES)('%s: every bar of its charts is a figure', (name) => {
  const bars = report.results.find((result) => result.name === name)?.charts.flatMap((chart) => chart.bars) ?? [];
  expect(bars.length).toBeGreaterThan(1);
  for (const { name: bar, median, lower, upper } of bars) {
    expect([bar, median > 0 && lower <= median && median <= upper && Number.isFinite(upper)]).toEqual([bar, true]);
  }
});

test('the report is written as tables, as JSON and with a picture for each chart', async () => {
  const charts = report.results.flatMap((result) => result.charts);
  const files = await readdir(folder);
  expect(files.filter((file) => file.endsWith('.svg'))).toHaveLength(charts.length);
  const markdown = await readFile(join(folder, 'report.md'), 'utf8');
  for (const name of CASES) expect(markdown).toContain(`## ${name}`);
  for (const { title } of charts) expect(markdown).toContain(`![${title}](`);
});

test('what is compared and not there is named, and nothing is made up for it', async () => {
  const { results } = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8'));
  const said = JSON.stringify(results.find(({ name }: { name: string }) => name === 'token-endpoint'));
  expect(said.includes('Glewlwyd, SQLite') !== said.includes('Glewlwyd is left out')).toBe(true);
});
