import type { AdminAnswer, SealedAuditRecord } from '@portcullis/platform';
import { type Command, Option } from 'commander';
import { collected, sequenceNumber } from '../arguments.ts';
import { auditLinesOf } from '../audit/audit-lines.ts';
import { cefLine } from '../audit/cef.ts';
import { type Statement, verifyStatement } from '../audit/statement.ts';
import { brokenInWords, createVerifier, type Verification } from '../audit/verification.ts';
import { type CliDeps, type CommandContext, contextOf } from '../command.ts';
import { CommandFailure } from '../failure.ts';
import { shortTime } from '../output.ts';

type Page = AdminAnswer<'exportAudit'>;
type ExportOptions = { format: 'jsonl' | 'cef'; after: number };
type VerifyOptions = { anchor?: string[]; segment?: string[]; file?: string; trustedKey?: string[] };

const VERIFY_HELP = `
Without --file it asks the server. With --file nothing but the files is needed, on any machine.

Examples:
  portcullis audit verify --anchor data/audit-anchors.jsonl
  portcullis audit verify --file export.jsonl --anchor audit-anchors.jsonl --trusted-key KEY`;

/** audit export, verify. */
export function addAuditChainCommands(audit: Command, deps: CliDeps): void {
  audit
    .command('export')
    .description('Write all records to standard output, the oldest first.')
    .addOption(new Option('--format <format>', 'jsonl, or cef for syslog').choices(['jsonl', 'cef']).default('jsonl'))
    .option('--after <number>', 'only records behind this number, to go on with an export', sequenceNumber, 0)
    .addHelpText('after', '\nExample:\n  portcullis audit export > export.jsonl')
    .action(async ({ format, after }: ExportOptions, command: Command) => {
      const context = contextOf(command, deps);
      const host = new URL(context.issuer).hostname;
      if (context.out.json) return exportWhole(context, after);
      const line = (value: unknown) => context.terminal.write(`${JSON.stringify(value)}\n`);
      for await (const { items, segment, anchor } of pages(context, after)) {
        if (format === 'cef') {
          for (const record of items) context.terminal.write(`${cefLine(record, host)}\n`);
          continue;
        }
        if (segment !== undefined) line({ segment });
        for (const record of items) line(record);
        if (anchor !== undefined) line({ anchor });
      }
    });

  audit
    .command('verify')
    .description('Check that no record was changed, removed or put in between.')
    .option('--anchor <file>', "a server's audit-anchors.jsonl: finds removed ends too; may be given again", collected)
    .option('--segment <file>', 'records that were moved out; may be given again', collected)
    .option('--file <file>', 'an export, instead of asking the server')
    .option('--trusted-key <thumbprint>', 'the only keys that may have signed; may be given again', collected)
    .addHelpText('after', VERIFY_HELP)
    .action(async (options: VerifyOptions, command: Command) => {
      const context = contextOf(command, deps);
      const given = await readFiles(options);
      const live = options.file === undefined ? await firstPage(context, given.lastSeq) : undefined;
      const trusted = options.trustedKey ?? live?.signingKeys;
      const statements = await verified([...given.statements, ...(live?.segment ? [live.segment] : [])], trusted);
      const verifier = createVerifier(statements);
      for await (const record of recordsOf(given.files)) if (!verifier.take(record)) break;
      if (live) for await (const { items } of pages(context, given.lastSeq)) if (!items.every(verifier.take)) break;
      const verification = verifier.finish();
      report(context, { verification, statements, isTrusted: trusted !== undefined, unsealed: live?.unsealed ?? 0 });
    });
}

/** One document, as every command has it; an export to keep is one line for each record. */
async function exportWhole(context: CommandContext, after: number): Promise<void> {
  const whole: Pick<Page, 'items' | 'segment' | 'anchor'> = { items: [] };
  for await (const { items, segment, anchor } of pages(context, after)) {
    whole.items.push(...items);
    whole.segment ??= segment;
    whole.anchor = anchor;
  }
  context.terminal.write(`${JSON.stringify(whole)}\n`);
}

async function* pages({ api }: CommandContext, after: number): AsyncGenerator<Page> {
  let cursor: string | undefined;
  do {
    const query = { limit: 1000, ...(cursor === undefined ? { after } : { cursor }) };
    const page: Page = await api.call('exportAudit', { query });
    yield page;
    cursor = page.next;
  } while (cursor !== undefined);
}

/** What the server says beside the records: which keys may sign, and what was moved out. */
async function firstPage({ api }: CommandContext, after: number): Promise<Page> {
  return api.call('exportAudit', { query: { limit: 1, after } });
}

type GivenFiles = { files: string[]; statements: string[]; lastSeq: number };

/** Goes through all files once for what is signed; files with records are put into the order of the chain. */
async function readFiles({ anchor = [], segment = [], file }: VerifyOptions): Promise<GivenFiles> {
  const statements: string[] = [];
  const found: { path: string; first: number; last: number }[] = [];
  const ofRecords = [...segment, ...(file === undefined ? [] : [file])];
  for (const path of [...ofRecords, ...anchor]) {
    const signedBefore = statements.length;
    const numbers: { first?: number; last: number } = { last: 0 };
    for await (const line of auditLinesOf(path)) {
      if (line.kind === 'anchor' || line.kind === 'segment') statements.push(line.statement);
      // What was killed while it wrote an anchor leaves half of one.
      if (line.kind === 'unreadable' && ofRecords.includes(path)) throw noRecord(path);
      if (line.kind !== 'record') continue;
      numbers.first ??= line.record.seq;
      numbers.last = Math.max(numbers.last, line.record.seq);
    }
    const { first, last } = numbers;
    if (first !== undefined) found.push({ path, first, last });
    const signed = statements.length - signedBefore;
    // Nothing is the one thing in which nothing was changed.
    if (signed === 0 && (first === undefined || !ofRecords.includes(path))) throw holdsNothing(path, ofRecords);
  }
  const inOrder = found.sort((a, b) => a.first - b.first);
  return { files: inOrder.map(({ path }) => path), statements, lastSeq: Math.max(0, ...found.map(({ last }) => last)) };
}

async function* recordsOf(files: readonly string[]): AsyncGenerator<SealedAuditRecord> {
  for (const path of files) {
    for await (const line of auditLinesOf(path)) {
      if (line.kind === 'record') yield line.record;
      if (line.kind === 'unreadable') throw noRecord(path);
    }
  }
}

function noRecord(path: string): CommandFailure {
  return new CommandFailure('refused', `${path} has a line that is no record.`);
}

function holdsNothing(path: string, ofRecords: readonly string[]): CommandFailure {
  const what = ofRecords.includes(path) ? 'record' : 'anchor';
  return new CommandFailure('refused', `${path} holds no ${what}: there is nothing to verify.`);
}

async function verified(statements: readonly string[], trusted: readonly string[] | undefined): Promise<Statement[]> {
  const keys = trusted && new Set(trusted);
  const verdicts = await Promise.all([...new Set(statements)].map((each) => verifyStatement(each, keys)));
  return verdicts.map((verdict, i) => {
    if (verdict.ok) return verdict.statement;
    const what = `Of the signed statements, number ${i + 1}`;
    throw new CommandFailure(
      'refused',
      verdict.reason === 'key'
        ? `${what} is signed with a key that is not one of the server's: it is forged, or from another server.`
        : `${what} has no good signature: it was changed, or is forged.`,
    );
  });
}

type Report = {
  verification: Verification;
  statements: readonly Statement[];
  isTrusted: boolean;
  unsealed: number;
};

function report({ out, terminal }: CommandContext, { verification, statements, isTrusted, unsealed }: Report): void {
  const { broken, truncated, records, last, movedOutUpTo, anchoredUpTo, unanchored, unanchoredTail } = verification;
  const keys = [...new Set(statements.map(({ key }) => key))];
  const tail = unanchoredTail.map(({ seq, id, time, type, subject }) => ({ seq, id, time, type, subject }));
  const intact = broken === undefined && truncated === undefined;
  const summary = { intact, records, lastSeq: last.seq, movedOutUpTo, anchoredUpTo: anchoredUpTo?.seq ?? null };
  const data = { ...summary, broken, truncated, unanchored, unanchoredTail: tail, unsealed, keys };
  if (out.json || intact) {
    out.facts(
      {
        records: `${records}, up to number ${last.seq}`,
        'moved out': movedOutUpTo > 0 ? `1 to ${movedOutUpTo}, not checked: give --segment` : undefined,
        anchored: anchoredUpTo ? `up to ${anchoredUpTo.seq}, on ${anchoredUpTo.signedAt.toISOString()}` : 'not checked',
        'not anchored yet': unanchored,
        'signed by': keys.length > 0 ? keys.join(', ') : undefined,
        'without a place yet': unsealed > 0 ? unsealed : undefined,
      },
      data,
    );
  }
  if (broken) throw new CommandFailure('refused', brokenInWords(broken));
  if (truncated) {
    const { from, to, anchoredAt } = truncated;
    throw new CommandFailure(
      'refused',
      `Records ${from} to ${to} are missing at the end: record ${to} was anchored on ${anchoredAt.toISOString()}.`,
    );
  }
  if (out.json) return;
  for (const { seq, time, type, subject } of statements.length > 0 ? tail : [])
    out.done(`not anchored yet: ${seq}  ${shortTime(time)}  ${type}  ${subject ?? '-'}`, undefined);
  if (!isTrusted && keys.length > 0)
    terminal.note(
      'Compare the keys with `portcullis keys list`, or give --trusted-key: nobody vouched for them here.\n',
    );
}
