import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, platform, release } from 'node:os';
import { join } from 'node:path';
import type { CaseResult, ResultTable } from './benchmark-case.ts';

/** A run of some cases, and on what machine. */
export type Report = { date: string; machine: string; node: string; results: readonly CaseResult[] };

/** Puts the results of a run together with what they depend on. */
export function reportOf(results: readonly CaseResult[], now: Date): Report {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${platform()} ${release()}`;
  return { date: now.toISOString().slice(0, 10), machine, node: process.version, results };
}

/** The report in Markdown; it reads well on a terminal too. */
export function markdownOf({ date, machine, node, results }: Report): string {
  const cases = results.map(({ name, tables, notes }) =>
    [`## ${name}`, ...tables.map(tableOf), ...notes.map((note) => `- ${note}`)].join('\n\n'),
  );
  return `${[`${date} · ${machine} · Node.js ${node}`, ...cases].join('\n\n')}\n`;
}

/** Writes `report.json` and `report.md` into a folder. */
export async function writeReport(report: Report, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(folder, 'report.md'), markdownOf(report));
}

function tableOf({ title, columns, lines }: ResultTable): string {
  const cells = [columns, ...lines].map((line) => line.map(String));
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const row = (line: readonly string[]) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const [head = [], ...rest] = cells;
  return [`**${title}**`, '', row(head), row(widths.map((width) => '-'.repeat(width))), ...rest.map(row)].join('\n');
}
