import { readFileSync } from 'node:fs';
import { checkScopeNames, errorCode, resourceFields, roleName, scopeName } from '@portcullis/platform';
import { z } from 'zod';
import { auditSchema } from './audit-trail/retention.ts';
import { type PinnedDocument, pinnedDocumentProblem } from './client-metadata/pinned-documents.ts';
import { configurationProblems } from './configuration-problems.ts';
import { enterpriseAuthorizationSchema } from './enterprise/identity-provider.ts';
import { signingKeysSchema } from './keys/key-policy.ts';
import { refreshTokensSchema } from './refresh-tokens.ts';
import { registrationSchema } from './registration/policy.ts';
import { resourceIdentifier, resourceUrlProblem } from './resource-url.ts';
import { upstreamOf, upstreamsSchema } from './upstream/upstream.ts';
import { accumulationProblems, upstreamUseProblems } from './upstream/upstream-use.ts';

const resource = z.strictObject(resourceFields).superRefine(checkScopeNames).describe('A protected MCP server.');

const resourceUrl = z.string().superRefine((text, context) => {
  const message = resourceUrlProblem(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/** Two spellings of one URL would be one resource to a client (AS-15). */
function checkDistinct(resources: object, context: z.RefinementCtx): void {
  const identifiers = new Map<string | undefined, string>();
  for (const url of Object.keys(resources)) {
    const same = identifiers.get(resourceIdentifier(url));
    if (same !== undefined)
      context.addIssue({ code: 'custom', path: [url], message: `is the same resource as ${same}` });
    identifiers.set(resourceIdentifier(url), url);
  }
}

const domain = z
  .string()
  .regex(/^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'is no host name, in lower case, or *. and a host name');

const domains = z.array(domain).default([]);

const metadataDocument = z.record(z.string(), z.unknown());

const pinnedDocument = z
  .union([
    z.strictObject({
      document: metadataDocument.describe('The metadata document.'),
      pinnedAt: z.iso.date().describe('The day on which it was copied; after 90 days the log says so.').optional(),
    }),
    metadataDocument.describe('The metadata document itself.'),
  ])
  .describe('A metadata document that is used instead of fetching it.');

const trust = z.enum(['allow', 'deny', 'ask']);

const clientMetadataDocuments = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether a client may name itself by the URL of a document.'),
    pinned: z.record(z.string(), pinnedDocument).default({}).describe('Documents by client id, not to be fetched.'),
    trust: z
      .strictObject({
        default: trust.default('allow').describe('What holds for hosts that no list names.'),
        allow: domains.describe('Hosts whose clients may be used.'),
        deny: domains.describe('Hosts whose clients may not.'),
        ask: domains.describe('Hosts whose clients an administrator has to approve, one by one.'),
      })
      .prefault({})
      .describe('Whose clients are let in, by the host of their client id; of two lists the stricter one counts.'),
    ports: z
      .array(z.int().min(1).max(65535))
      .default([])
      .describe('Ports beside 443 that documents and keys may be fetched from.'),
  })
  .superRefine(({ pinned }, context) => {
    for (const [clientId, entry] of Object.entries(pinned)) {
      const problem = pinnedDocumentProblem(clientId, asPinned(entry));
      if (problem) context.addIssue({ code: 'custom', path: ['pinned', clientId], message: problem });
    }
  })
  .transform(({ pinned, ...rest }) => ({
    ...rest,
    pinned: Object.fromEntries(Object.entries(pinned).map(([clientId, entry]) => [clientId, asPinned(entry)])),
  }))
  .describe('Clients that name themselves by the URL of a metadata document.');

/** A document may stand there as it is, or beside the day on which it was pinned. */
function asPinned(entry: z.infer<typeof pinnedDocument>): PinnedDocument {
  const { document, pinnedAt } = entry;
  if (typeof document !== 'object' || document === null) return { document: entry };
  return {
    document: Object.fromEntries(Object.entries(document)),
    ...(typeof pinnedAt === 'string' && { pinnedAt: new Date(pinnedAt) }),
  };
}

const dpop = z
  .strictObject({
    requireNonce: z
      .boolean()
      .default(false)
      .describe('Whether proofs need a nonce of this server, so that none can be made in advance.'),
  })
  .describe('How DPoP proofs are taken (RFC 9449).');

/** What `portcullis.config.json` may hold: everything that is no scalar. */
const configurationFileSchema = z
  .strictObject({
    $schema: z.string().optional(),
    resources: z
      .record(resourceUrl, resource)
      .superRefine(checkDistinct)
      .default({})
      .describe('Protected resources by their canonical URL, beside the built-in support desk.'),
    roles: z
      .record(roleName, z.array(z.union([scopeName, z.literal('admin:*')])))
      .default({})
      .describe('Which scopes each role lets its holder grant.'),
    registration: registrationSchema.prefault({}),
    refreshTokens: refreshTokensSchema.prefault({}),
    clientMetadataDocuments: clientMetadataDocuments.prefault({}),
    dpop: dpop.prefault({}),
    enterpriseAuthorization: enterpriseAuthorizationSchema.prefault({}),
    signingKeys: signingKeysSchema.prefault({}),
    audit: auditSchema.prefault({}),
    upstreams: upstreamsSchema.default({}),
  })
  .superRefine((file, context) => {
    const upstreams = Object.entries(file.upstreams).map(([key, given]) => upstreamOf(key, given, undefined));
    for (const [url, { upstream, scopes }] of Object.entries(file.resources)) {
      for (const [path, message] of upstream ? upstreamUseProblems(upstream, { scopes, upstreams }) : [])
        context.addIssue({ code: 'custom', path: ['resources', url, 'upstream', ...path], message });
    }
    const uses = Object.values(file.resources).flatMap(({ upstream }) => upstream ?? []);
    for (const { key, message } of accumulationProblems(upstreams, uses))
      context.addIssue({ code: 'custom', path: ['upstreams', key], message });
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
    problems: configurationProblems(parsed.error.issues, { json, jsonSchema: configurationJsonSchema() }),
  };
}
