import { setTimeout as pause } from 'node:timers/promises';
import { AUDIT_REPORT_LIMITS, AUDIT_REPORT_PATH, auditReportAnswer, type Logger } from '@portcullis/platform';
import type { Spool, SpoolFile } from './spool.ts';

/** Where records go, and as whom. */
export type SenderOptions = {
  issuer: string;
  resource: string;
  clientId: string;
  clientSecret: string;
  spool: Spool;
  logger: Logger;
  fetch?: typeof globalThis.fetch;
};

/** Sends what waits in a spool. */
export type Sender = {
  /** Tells that there is something to send. */
  wake(): void;
  /** Ends it; what is on its way gets a second more. */
  close(): Promise<void>;
};

/** Records gather for so long, so that they go together. */
const GATHER_MS = 200;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;
const TIMEOUT_MS = 10_000;
const LAST_TIMEOUT_MS = 1000;

/** What became of some records: taken, but for those at some places; refused as a whole; or to be tried again. */
type Answer = { state: 'taken'; refused: readonly number[] } | { state: 'refused' | 'try-again'; cause: unknown };

/**
 * Sends records in their order, each batch until it is stored. A batch whose answer is lost is sent again, and the
 * authorization server stores each record once. What it refuses is set aside, line by line.
 */
export function startSender(options: SenderOptions): Sender {
  const { spool, logger } = options;
  const ended = new AbortController();
  let wake = Promise.withResolvers<void>();
  let failing = false;

  const note = (answer: Answer) => {
    if (answer.state === 'try-again' && !failing) {
      failing = true;
      logger.warn({ err: answer.cause }, 'audit records cannot be sent; they wait in the data folder');
    }
    if (answer.state === 'taken' && failing) {
      failing = false;
      logger.info('audit records are sent again');
    }
  };

  const sleep = (ms: number) => pause(ms, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);

  /** A disk that fails is no reason to end: what it cannot give now waits, as what cannot be sent does. */
  async function sendOldest(timeoutMs: number): Promise<'idle' | 'done' | 'try-again'> {
    try {
      const file = spool.oldest();
      if (!file) return 'idle';
      return (await sendFile(file, { options, note, timeoutMs })) ? 'done' : 'try-again';
    } catch (cause) {
      note({ state: 'try-again', cause });
      return 'try-again';
    }
  }

  async function run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!ended.signal.aborted) {
      switch (await sendOldest(TIMEOUT_MS)) {
        case 'idle':
          await wake.promise;
          wake = Promise.withResolvers();
          await sleep(GATHER_MS);
          break;
        case 'done':
          retryMs = FIRST_RETRY_MS;
          break;
        case 'try-again':
          await sleep(retryMs);
          retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
          break;
      }
    }
  }

  const running = run();
  return {
    wake: () => wake.resolve(),
    async close() {
      ended.abort();
      wake.resolve();
      await running;
      await sendOldest(LAST_TIMEOUT_MS);
    },
  };
}

type Sending = { options: SenderOptions; note(answer: Answer): void; timeoutMs: number };

/** False where all of it has to be tried again. */
async function sendFile(file: SpoolFile, sending: Sending): Promise<boolean> {
  const { spool, logger } = sending.options;
  const lines = file.lines.filter((line) => readLine(line).length > 0);
  const refused: string[] = [];
  for (let start = 0; start < lines.length; start += AUDIT_REPORT_LIMITS.records) {
    const left = await sendBatch(lines.slice(start, start + AUDIT_REPORT_LIMITS.records), sending);
    if (left === 'try-again') return false;
    refused.push(...left);
  }
  if (refused.length === 0) {
    spool.remove(file);
    return true;
  }
  const areKept = spool.setAside(file, refused);
  logger.error({ file: file.path, count: refused.length, areKept }, 'audit records were refused and set aside');
  return true;
}

/**
 * The lines that were refused. What is wrong with one line must not keep others out of the trail: a batch that is refused
 * as a whole is sent in halves.
 */
async function sendBatch(lines: readonly string[], sending: Sending): Promise<readonly string[] | 'try-again'> {
  const answer = await send(lines.flatMap(readLine), sending);
  sending.note(answer);
  if (answer.state === 'try-again') return 'try-again';
  if (answer.state === 'taken') return lines.filter((_line, i) => answer.refused.includes(i));
  if (lines.length === 1) return lines;
  const middle = Math.ceil(lines.length / 2);
  const first = await sendBatch(lines.slice(0, middle), sending);
  if (first === 'try-again') return first;
  const second = await sendBatch(lines.slice(middle), sending);
  return second === 'try-again' ? second : [...first, ...second];
}

/** A line that the power went out in is none; it was never acknowledged. */
function readLine(line: string): unknown[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

async function send(records: readonly unknown[], { options, timeoutMs }: Sending): Promise<Answer> {
  const { issuer, resource, clientId, clientSecret, fetch = globalThis.fetch } = options;
  const credentials = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
  try {
    const response = await fetch(`${issuer}${AUDIT_REPORT_PATH}`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ resource, records }),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (!response.ok) return { state: judge(response.status), cause: new Error(`status ${response.status}`) };
    const { refused } = auditReportAnswer.parse(body);
    return { state: 'taken', refused };
  } catch (cause) {
    return { state: 'try-again', cause };
  }
}

/** What is wrong with the request stays wrong; credentials and servers can be mended. */
function judge(status: number): 'refused' | 'try-again' {
  return status === 400 || status === 413 ? 'refused' : 'try-again';
}
