import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** What was read, and the schema that it does not keep to. */
type Context = { json: unknown; jsonSchema: unknown };

/** What is wrong with a configuration file, one sentence for each problem: where, and what is allowed there. */
export function configurationProblems(issues: readonly Issue[], context: Context): string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      const known = Object.keys(properties(schemaAt(context.jsonSchema, issue.path)));
      const allowed = known.length > 0 ? `; known here: ${known.filter((key) => key !== '$schema').join(', ')}` : '';
      return issue.keys.map((key) => sentence([...issue.path, key], `is no setting${allowed}`));
    }
    return [sentence(issue.path, wordsFor(issue, valueAt(context.json, issue.path)))];
  });
}

function sentence(path: readonly PropertyKey[], words: string): string {
  return `Configuration file, ${path.map(String).join(' → ') || 'top level'}: ${words}.`;
}

function wordsFor(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${value === undefined ? 'is missing; it ' : ''}must be ${KINDS[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((one) => JSON.stringify(one)).join(', ')}`;
    case 'too_small':
      return limit('at least', Number(issue.minimum), issue.origin);
    case 'too_big':
      return limit('at most', Number(issue.maximum), issue.origin);
    case 'invalid_format':
      return issue.format === 'date' ? 'must be a date such as "2026-11-20"' : issue.message;
    case 'invalid_key':
    case 'invalid_element':
      return issue.issues.map((inner) => wordsFor(inner, value)).join(', ');
    case 'invalid_union':
      return [...new Set(issue.errors.flatMap(([first]) => (first ? [wordsFor(first, value)] : [])))].join(', or ');
    default:
      return issue.message;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text in quotes',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list: [ … ]',
  object: 'an object: { … }',
  record: 'an object: { … }',
};

function limit(words: string, count: number, origin: string): string {
  if (origin === 'string') return count === 1 ? 'must not be empty' : `must have ${words} ${count} characters`;
  if (origin === 'array') return `must list ${words} ${count}`;
  return `must be ${words} ${count}`;
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), json);
}

/** The part of a JSON Schema that is about a path. */
function schemaAt(schema: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((part, key) => {
    if (!isObject(part)) return undefined;
    return properties(part)[key] ?? part.additionalProperties ?? part.items;
  }, schema);
}

function properties(schema: unknown): Record<PropertyKey, unknown> {
  return isObject(schema) && isObject(schema.properties) ? schema.properties : {};
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null;
}
