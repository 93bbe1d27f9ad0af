import { parseArgs } from 'node:util';
import type { BenchmarkCase, CaseResult } from './benchmark-case.ts';
import { guardOverhead } from './cases/guard-overhead.ts';
import { refreshVolume } from './cases/refresh-volume.ts';
import { markdownOf, reportOf, writeReport } from './report.ts';

const CASES: readonly BenchmarkCase[] = [guardOverhead, refreshVolume];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, size: { type: 'string' }, out: { type: 'string' } },
});
const effort = {
  rounds: values.rounds === undefined ? undefined : Number(values.rounds),
  size: values.size === undefined ? undefined : Number(values.size),
};
const wanted = CASES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (wanted.length === 0) {
  process.stderr.write(`There is no such case. There are: ${CASES.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}
const results: CaseResult[] = [];
for (const { name, run } of wanted) {
  process.stderr.write(`${name} …\n`);
  results.push(await run(effort));
}
const report = reportOf(results, new Date());
process.stdout.write(markdownOf(report));
await writeReport(report, values.out ?? 'benchmark-results');
