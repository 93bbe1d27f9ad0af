import { looksLikeInstructions } from '../tools/untrusted-text.ts';
import { findSecrets, type SecretRange } from './secrets.ts';

/** An answer as it may be sent, and what was found in it. */
export type Screened = {
  value: Record<string, unknown>;
  /** How many secrets were taken out. */
  secretsRemoved: number;
  /** Whether some text reads like orders to an assistant (SP-28). */
  looksLikeInstructions: boolean;
};

/** Put in place of a secret. */
const REMOVED = '[removed: looks like a secret]';
/** Members whose text is a secret whatever it looks like. */
const SECRET_NAMES =
  /^(.*[_-])?(password|passphrase|secret|api[_-]?key|private[_-]?key|access[_-]?token|refresh[_-]?token|authorization|cookie)$/i;
const BETWEEN = '\n\n';

/**
 * Screens what a tool answers, whichever tool it is: the one way out (SP-27). Texts are searched together, once. Their
 * number, order and places stay, so that the answer still fits its schema.
 */
export async function screen(answer: Record<string, unknown>): Promise<Screened> {
  let byName = 0;
  const named = mapTexts(answer, (text, name) => {
    if (!SECRET_NAMES.test(name)) return text;
    byName += 1;
    return REMOVED;
  });
  const texts = textsOf(named);
  const ranges = merged(await findSecrets(texts.join(BETWEEN)));
  let start = 0;
  const value = mapTexts(named, (text) => {
    const cleaned = without(ranges, text, start);
    start += text.length + BETWEEN.length;
    return cleaned;
  });
  return {
    value: asAnswer(value),
    secretsRemoved: byName + ranges.length,
    looksLikeInstructions: texts.some(looksLikeInstructions),
  };
}

function textsOf(value: unknown): string[] {
  const texts: string[] = [];
  mapTexts(value, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}

/** The same value with every text replaced; `name` is that of the member in which it stands, or whose list it is in. */
function mapTexts(value: unknown, replace: (text: string, name: string) => string, name = ''): unknown {
  if (typeof value === 'string') return replace(value, name);
  if (Array.isArray(value)) return value.map((entry) => mapTexts(entry, replace, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, mapTexts(entry, replace, key)]));
}

function asAnswer(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new TypeError('an answer is an object');
  return { ...value };
}

/** In order and without overlaps: two rules may find the same secret. */
function merged(ranges: readonly SecretRange[]): SecretRange[] {
  const result: SecretRange[] = [];
  for (const [start, end] of [...ranges].sort(([one], [other]) => one - other)) {
    const last = result.at(-1);
    if (last && start <= last[1]) result[result.length - 1] = [last[0], Math.max(last[1], end)];
    else result.push([start, end]);
  }
  return result;
}

/** The text without the parts of it that lie in `ranges`, which count from the beginning of all texts together. */
function without(ranges: readonly SecretRange[], text: string, offset: number): string {
  let cleaned = '';
  let from = 0;
  for (const [start, end] of ranges) {
    const [first, last] = [Math.max(start - offset, 0), Math.min(end - offset, text.length)];
    if (first >= last) continue;
    cleaned += text.slice(from, first) + REMOVED;
    from = last;
  }
  return cleaned + text.slice(from);
}
