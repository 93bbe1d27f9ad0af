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

/** What became of one batch: taken, not to be taken ever, or to be tried again. */
type Answer = 'taken' | 'refused' | 'try-again';

/**
 * Sends records in their order, each batch until it is stored. A batch whose answer is lost is sent again, and the
 * authorization server stores each record once.
 */
export function startSender(options: SenderOptions): Sender {
  const { spool, logger } = options;
  const ended = new AbortController();
  let wake = Promise.withResolvers<void>();
  let failing = false;

  const note = (answer: Answer, cause?: unknown) => {
    if (answer === 'try-again' && !failing) {
      failing = true;
      logger.warn({ err: cause }, 'audit records cannot be sent; they wait in the data folder');
    }
    if (answer === 'taken' && failing) {
      failing = false;
      logger.info('audit records are sent again');
    }
  };

  async function run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!ended.signal.aborted) {
      const file = spool.oldest();
      if (!file) {
        await Promise.race([wake.promise, aborted(ended.signal)]);
        wake = Promise.withResolvers();
        await pause(GATHER_MS, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
        continue;
      }
      const answer = await sendFile(file, { options, note });
      if (answer !== 'try-again') {
        retryMs = FIRST_RETRY_MS;
        continue;
      }
      await pause(retryMs, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
      retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
    }
  }

  const running = run();
  return {
    wake: () => wake.resolve(),
    async close() {
      ended.abort();
      await running;
      const file = spool.oldest();
      if (file) await sendFile(file, { options, note, timeoutMs: LAST_TIMEOUT_MS });
    },
  };
}

type Sending = {
  options: SenderOptions;
  note(answer: Answer, cause?: unknown): void;
  timeoutMs?: number;
};

async function sendFile(file: SpoolFile, { options, note, timeoutMs = TIMEOUT_MS }: Sending): Promise<Answer> {
  const { spool, logger } = options;
  for (let start = 0; start < file.lines.length; start += AUDIT_REPORT_LIMITS.records) {
    const records = file.lines.slice(start, start + AUDIT_REPORT_LIMITS.records).flatMap(readLine);
    if (records.length === 0) continue;
    const { answer, cause } = await send(records, { options, timeoutMs });
    note(answer, cause);
    if (answer === 'try-again') return answer;
    if (answer === 'refused') {
      logger.error({ err: cause, file: file.path }, 'audit records were refused; their file was set aside');
      spool.setAside(file);
      return answer;
    }
  }
  spool.remove(file);
  return 'taken';
}

/** A line that the power went out in is none; it was never acknowledged. */
function readLine(line: string): unknown[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

async function send(
  records: readonly unknown[],
  { options, timeoutMs }: { options: SenderOptions; timeoutMs: number },
): Promise<{ answer: Answer; cause?: unknown }> {
  const { issuer, resource, clientId, clientSecret } = options;
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
    if (!response.ok) return { answer: judge(response.status), cause: new Error(`status ${response.status}`) };
    const { refused } = auditReportAnswer.parse(body);
    return refused.length === 0
      ? { answer: 'taken' }
      : { answer: 'refused', cause: new Error(`records at ${refused.join(', ')}`) };
  } catch (cause) {
    return { answer: 'try-again', cause };
  }
}

/** What is wrong with the request stays wrong; credentials and servers can be mended. */
function judge(status: number): Answer {
  return status === 400 || status === 413 ? 'refused' : 'try-again';
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
