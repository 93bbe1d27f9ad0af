import { readFileSync } from 'node:fs';
import { errorCode } from '@portcullis/platform';
import { z } from 'zod';
import { registrationSchema } from './registration/policy.ts';

/** Scopes that would grant everything: least privilege knows no such thing (SP-7). */
const OMNIBUS_SCOPES = ['*', 'all', 'full-access', 'full_access'];

const scopeName = z
  .string()
  .regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,100}$/, 'is no scope (RFC 6749 §3.3)')
  .refine((name) => !OMNIBUS_SCOPES.includes(name), 'would grant everything; name one capability (SP-7)');

const scope = z
  .strictObject({
    description: z
      .string()
      .min(1)
      .max(200)
      .describe('What the scope allows, in plain words, as the consent page shows it.'),
    sensitive: z.boolean().default(false).describe('Not ticked to begin with on the consent page.'),
  })
  .describe('One capability that a user can grant.');

const resource = z
  .strictObject({
    name: z.string().min(1).max(80).describe('The name that the consent page shows.'),
    scopes: z.record(scopeName, scope).refine((all) => Object.keys(all).length > 0, 'needs at least one scope'),
    defaultScopes: z.array(scopeName).min(1).describe('What a request without scope gets.'),
  })
  .refine(
    (value) => value.defaultScopes.every((name) => name in value.scopes),
    'defaultScopes names a scope that scopes does not have',
  )
  .describe('A protected MCP server.');

const resourceUrl = z
  .string()
  .refine(
    (text) => URL.canParse(text) && !text.includes('#'),
    'must be an absolute URL without a fragment (RFC 8707 §2, SP-20)',
  );

/** What `portcullis.config.json` may hold: everything that is no scalar. */
const configurationFileSchema = z
  .strictObject({
    $schema: z.string().optional(),
    resources: z
      .record(resourceUrl, resource)
      .default({})
      .describe('Protected resources by their canonical URL, beside the built-in support desk.'),
    roles: z
      .record(z.string().regex(/^[a-z][a-z0-9-]{0,39}$/), z.array(z.union([scopeName, z.literal('admin:*')])))
      .default({})
      .describe('Which scopes each role lets its holder grant.'),
    registration: registrationSchema.prefault({}),
  })
  .describe('Configuration of Portcullis');

/** The content of a configuration file after its defaults are filled in. */
export type ConfigurationFile = z.infer<typeof configurationFileSchema>;

/** The JSON Schema that editors use; portcullis.config.schema.json is its copy. */
export function configurationJsonSchema(): object {
  return z.toJSONSchema(configurationFileSchema, { io: 'input' });
}

/** The file, or why it cannot be used. */
export type ConfigurationFileResult = { ok: true; file: ConfigurationFile } | { ok: false; problems: string[] };

/** What holds where there is no file. */
export function defaultConfiguration(): ConfigurationFile {
  return configurationFileSchema.parse({});
}

/** Reads and checks a configuration file. `required` tells whether a missing file is a problem. */
export function readConfigurationFile(path: string, required: boolean): ConfigurationFileResult {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT' && !required) return { ok: true, file: defaultConfiguration() };
    return { ok: false, problems: ['PORTCULLIS_CONFIG names a file that cannot be read.'] };
  }
  return checkConfiguration(text);
}

function checkConfiguration(text: string): ConfigurationFileResult {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, problems: ['The configuration file is not valid JSON.'] };
  }
  const parsed = configurationFileSchema.safeParse(json);
  if (parsed.success) return { ok: true, file: parsed.data };
  return {
    ok: false,
    problems: parsed.error.issues.map(
      (issue) => `Configuration file, ${issue.path.join(' → ') || 'top level'}: ${messageOf(issue)}.`,
    ),
  };
}

/** Zod wraps what is wrong with a key of a record; the person who reads it wants the reason inside. */
function messageOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? issue.issues.map(({ message }) => message).join(', ') : issue.message;
}
