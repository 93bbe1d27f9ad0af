const LONGEST_TEXT = 100;
const LONGEST_NAME = 64;
const MOST_MEMBERS = 20;
const DEEPEST = 3;

const SECRET_NAME = /pass|secret|token|credential|authoriz|cookie|api.?key|private/i;
// Both begin where a run of such characters does: begun anywhere in it, they would take the square of its length.
const EMAIL = /(?<![^\s@<>"'])[^\s@<>"']+@[^\s@<>"']+\.[^\s@<>"']+/g;
/** Long runs of letters and digits mixed, as tokens and keys are; words and numbers are not. */
const RANDOM_TEXT = /(?<![\w+/=.-])(?=[\w+/=.-]*\d)(?=[\w+/=.-]*[A-Za-z])[\w+/=.-]{20,}/g;

/**
 * The arguments of a call as the audit trail may have them: what looks like a secret or an e-mail address is taken out,
 * long text cut off, and what is large or deep left out. What it leaves is still the caller's own text.
 */
export function redactedArguments(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? members(value, 1) : {};
}

function members(value: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(value);
  const kept = entries
    .slice(0, MOST_MEMBERS)
    .map(([name, member]) => [
      harmless(cut(name, LONGEST_NAME)),
      SECRET_NAME.test(name) ? '[redacted]' : redacted(member, depth),
    ]);
  const left = entries.length - kept.length;
  return { ...Object.fromEntries(kept), ...(left > 0 && { '…': `${left} more` }) };
}

function redacted(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return shortened(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEEPEST) return Array.isArray(value) ? '[list]' : '[object]';
  if (!Array.isArray(value)) return members(value, depth + 1);
  const left = value.length - MOST_MEMBERS;
  return [
    ...value.slice(0, MOST_MEMBERS).map((member: unknown) => redacted(member, depth + 1)),
    ...(left > 0 ? [`${left} more`] : []),
  ];
}

function shortened(text: string): string {
  if (text.length <= LONGEST_TEXT) return withoutSecrets(text);
  return `${cut(text, LONGEST_TEXT)}… (${text.length} characters)`;
}

/** Readers of JSON may refuse a whole report for this name, and with it the calls of others. */
function harmless(name: string): string {
  return name === '__proto__' ? '[__proto__]' : name;
}

/** Cut first, so that very long text costs little; a secret that the cut goes through is still one of some length. */
function cut(text: string, length: number): string {
  return withoutSecrets(text.slice(0, 4 * length)).slice(0, length);
}

function withoutSecrets(text: string): string {
  return text.replace(EMAIL, '[e-mail]').replace(RANDOM_TEXT, '[redacted]');
}
