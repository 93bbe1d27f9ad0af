import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, platform, release } from 'node:os';
import { join } from 'node:path';
import type { CaseResult, Goal, ResultTable } from './benchmark-case.ts';
import { svgOf } from './chart.ts';
import { lineSvgOf } from './line-chart.ts';

/** A run of some cases, and on what machine; the load is the average of its last minute at the end. */
export type Report = { date: string; machine: string; node: string; load: number; results: readonly CaseResult[] };

/** Puts the results of a run together with what they depend on. */
export function reportOf(results: readonly CaseResult[], now: Date): Report {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${platform()} ${release()}`;
  const [load = Number.NaN] = loadavg();
  return { date: now.toISOString().slice(0, 10), machine, node: process.version, load, results };
}

/** The report in Markdown, with its charts where they are to be had as files; it reads well on a terminal too. */
export function markdownOf({ date, machine, node, load, results }: Report, { charts }: { charts: boolean }): string {
  const cases = results.map((result) =>
    [
      `## ${result.name}`,
      ...(result.goals?.length ? [goalsOf(result.goals)] : []),
      ...result.tables.map(tableOf),
      ...(charts ? chartsOf(result).map(({ title, file }) => `![${title}](${file})`) : []),
      ...result.notes.map((note) => `- ${note}`),
    ].join('\n\n'),
  );
  const about = `${date} · ${machine} · Node.js ${node} · load at the end ${load.toFixed(1)}`;
  return `${[about, ...cases].join('\n\n')}\n`;
}

/** Writes `report.json`, `report.md` and a file for each chart into a folder. */
export async function writeReport(report: Report, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(folder, 'report.md'), markdownOf(report, { charts: true }));
  for (const { svg, file } of report.results.flatMap(chartsOf)) await writeFile(join(folder, file), svg);
}

function chartsOf({ name, charts = [], courses = [] }: CaseResult): { title: string; svg: string; file: string }[] {
  const all = [
    ...charts.map((chart) => ({ title: chart.title, svg: svgOf(chart) })),
    ...courses.map((chart) => ({ title: chart.title, svg: lineSvgOf(chart) })),
  ];
  return all.map((chart, index) => ({ ...chart, file: `${name}-${index + 1}.svg` }));
}

function goalsOf(goals: readonly Goal[]): string {
  return tableOf({
    title: 'Goals',
    columns: ['what', 'goal', 'measured', ''],
    lines: goals.map((goal) => [
      goal.what,
      `${goal.sense} ${goal.wanted}`,
      Number.isNaN(goal.measured) ? 'not measured' : goal.measured.toFixed(3),
      verdictOf(goal),
    ]),
  });
}

function verdictOf({ sense, wanted, measured }: Goal): string {
  if (Number.isNaN(measured)) return '';
  const isReached = sense === 'at least' ? measured >= wanted : measured <= wanted;
  return isReached ? 'reached' : `missed by ${Math.abs(measured - wanted).toFixed(3)}`;
}

function tableOf({ title, columns, lines }: ResultTable): string {
  const cells = [columns, ...lines].map((line) => line.map(String));
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const row = (line: readonly string[]) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const [head = [], ...rest] = cells;
  return [`**${title}**`, '', row(head), row(widths.map((width) => '-'.repeat(width))), ...rest.map(row)].join('\n');
}
