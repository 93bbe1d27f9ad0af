import { parseArgs } from 'node:util';
import type { BenchmarkCase, CaseResult } from './benchmark-case.ts';
import { coldStart } from './cases/cold-start.ts';
import { guardOverhead } from './cases/guard-overhead.ts';
import { journey } from './cases/journey.ts';
import { login } from './cases/login.ts';
import { machineLimits } from './cases/machine-limits.ts';
import { refreshVolume } from './cases/refresh-volume.ts';
import { revocation } from './cases/revocation.ts';
import { scale } from './cases/scale.ts';
import { soak } from './cases/soak.ts';
import { tokenEndpoint } from './cases/token-endpoint.ts';
import { watching } from './cases/watching.ts';
import { profileInto } from './child-program.ts';
import { leavingNothing } from './leaving-nothing.ts';
import { createServers } from './peers/servers.ts';
import { markdownOf, reportOf, writeReport } from './report.ts';

const CASES: readonly BenchmarkCase[] = [
  machineLimits,
  guardOverhead,
  tokenEndpoint,
  journey,
  login,
  revocation,
  watching,
  coldStart,
  scale,
  soak,
  refreshVolume,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    size: { type: 'string' },
    out: { type: 'string', default: 'benchmark-results' },
    profile: { type: 'string' },
  },
});
const effort = {
  quick: values.quick,
  rounds: values.rounds === undefined ? undefined : Number(values.rounds),
  size: values.size === undefined ? undefined : Number(values.size),
};
const wanted = CASES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (wanted.length === 0) {
  process.stderr.write(`There is no such case. There are: ${CASES.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}
if (values.profile !== undefined) profileInto(values.profile);
await leavingNothing(async () => {
  await using started = new AsyncDisposableStack();
  const servers = started.adopt(createServers(effort), (all) => all.stop());
  const results: CaseResult[] = [];
  for (const { name, run } of wanted) {
    process.stderr.write(`${name} …\n`);
    results.push(await run({ ...effort, servers }));
  }
  const report = reportOf(results, new Date());
  process.stdout.write(markdownOf(report, { charts: false }));
  await writeReport(report, values.out);
});
