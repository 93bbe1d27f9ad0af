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
import { readArguments } from './command-line.ts';
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

const asked = readArguments(
  process.argv.slice(2),
  CASES.map(({ name }) => name),
);
if (asked.kind === 'help') {
  process.stdout.write(asked.text);
  process.exit(0);
}
if (asked.kind === 'wrong') {
  process.stderr.write(`bench: ${asked.problem}\nAdd --help to see how it is used.\n`);
  process.exit(2);
}
const { cases, out, profile, ...effort } = asked.wanted;
const wanted = CASES.filter(({ name }) => cases.length === 0 || cases.includes(name));
if (profile !== undefined) profileInto(profile);
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
  await writeReport(report, out);
});
