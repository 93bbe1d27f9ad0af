import type { AdminAnswer, AdminInput } from '@portcullis/platform';
import { type Command, Option } from 'commander';
import { collected, count } from '../arguments.ts';
import { type CliDeps, type CommandContext, contextOf } from '../command.ts';
import { CommandFailure } from '../failure.ts';
import { shortTime } from '../output.ts';
import { readPages } from '../pages.ts';
import { readPublicKeys } from '../public-keys.ts';

type Answer = AdminAnswer<'addResource'>;
type Resource = Answer['resource'];

const NAMED = 'its URL, as `portcullis resources list` shows it';
const AUTHENTICATION = 'client_secret_basic (the default), client_secret_post or private_key_jwt';
const PUBLIC_KEY = 'the public key for private_key_jwt: PEM, JWK or JWKS';

/** resources list, add, remove, credentials. */
export function addResourceCommands(program: Command, deps: CliDeps): void {
  const resources = program.command('resources').description('The MCP servers that this server protects.');

  resources
    .command('list')
    .description('List protected servers: those of the configuration first.')
    .option('--limit <number>', 'how many at most', count, 100)
    .action(async ({ limit }: { limit: number }, command: Command) => {
      const { api, out, terminal } = contextOf(command, deps);
      const { items, more } = await readPages(limit, (query) => api.call('listResources', { query }));
      out.table(items, {
        data: { items },
        empty: 'There is no protected server.',
        columns: [
          { title: 'URL', value: ({ url }) => url },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'COMES FROM', value: comesFrom },
          { title: 'SCOPES', value: ({ scopes }) => Object.keys(scopes).join(' ') },
          { title: 'CLIENT ID', value: ({ clientId }) => clientId },
        ],
      });
      if (more) terminal.note('There are more: raise --limit.\n');
    });

  addAdd(resources, deps);

  resources
    .command('remove')
    .description('Remove a protected server that was added, its client, and everything that users had allowed there.')
    .argument('<url>', NAMED)
    .action(async (url: string, _options: object, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Remove ${url}, its client and all grants for it?`);
      const answer = await api.call('removeResource', { params: { resource: url } });
      out.done(
        `Removed ${answer.resource.name}; grants ended: ${answer.grants}. Access tokens that are out are refused by a guard that listens, and end with their time otherwise.`,
        answer,
      );
    });

  resources
    .command('credentials')
    .description('Make the client that a protected server is here, where it has none yet. A secret is shown once.')
    .argument('<url>', NAMED)
    .option('--auth <method>', AUTHENTICATION)
    .option('--public-key <file>', PUBLIC_KEY)
    .addHelpText(
      'after',
      `
With it the server asks whether tokens are still good, and learns what was revoked. A server that was added has got one
already. Another secret comes from \`portcullis clients rotate-secret CLIENT_ID\`.`,
    )
    .action(async (url: string, options: AuthenticationOptions, command: Command) => {
      const context = contextOf(command, deps);
      const answer = await context.api.call('issueResourceCredentials', {
        params: { resource: url },
        body: authenticationOf(options),
      });
      showResource(context, answer);
    });
}

type AuthenticationOptions = {
  auth?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';
  publicKey?: string;
};

type AddOptions = AuthenticationOptions & {
  name: string;
  scope: string[];
  sensitive?: string[];
  default?: string[];
  role?: string[];
  upstream?: string;
  upstreamScope?: string[];
  proofOfPossession?: 'dpop' | 'certificate';
};

function addAdd(resources: Command, deps: CliDeps): void {
  resources
    .command('add')
    .description('Protect an MCP server of your own. Its client id and secret are shown once.')
    .argument('<url>', 'its URL, exactly as its clients are to write it')
    .requiredOption('--name <name>', 'what people see')
    .requiredOption(
      '--scope <scope=words>',
      'a scope and what it allows, in words for the consent page; can be given several times',
      collected,
    )
    .option('--sensitive <scope>', 'a scope that people have to tick; can be given several times', collected)
    .option('--default <scope>', 'what a client gets that asks for no scope (default: the first scope)', collected)
    .option(
      '--role <role[=scopes]>',
      'who may grant its scopes, or only those that are named, separated by commas (default: lead)',
      collected,
    )
    .option(
      '--upstream <name>',
      'the service that it works with in its users’ names: one of `upstreams` in the configuration',
    )
    .option(
      '--upstream-scope <scope=scopes>',
      'what one of its scopes needs there, separated by commas; can be given several times',
      collected,
    )
    .addOption(
      new Option(
        '--proof-of-possession <what>',
        'what all tokens for it are bound to (default: as clients choose)',
      ).choices(['dpop', 'certificate']),
    )
    .option('--auth <method>', `how the server authenticates: ${AUTHENTICATION}`)
    .option('--public-key <file>', PUBLIC_KEY)
    .addHelpText(
      'after',
      `
It holds at once, on every replica. Examples:
  portcullis resources add https://notes.example/mcp --name Notes --scope "notes:read=Read your notes"
  portcullis resources add https://notes.example/mcp --name Notes --scope "notes:read=Read your notes" \\
    --scope "notes:delete=Delete notes" --sensitive notes:delete --role agent=notes:read --role lead
  portcullis resources add https://repos.example/mcp --name Repositories --scope "repos:read=List your repositories" \\
    --upstream github --upstream-scope repos:read=repo`,
    )
    .action(async (url: string, options: AddOptions, command: Command) => {
      const context = contextOf(command, deps);
      const answer = await context.api.call('addResource', { body: { url, ...definitionOf(options) } });
      showResource(context, answer);
    });
}

type Definition = Omit<AdminInput<'addResource'>['body'], 'url'>;

function definitionOf(options: AddOptions): Definition {
  const described = options.scope.map(describedScope);
  const names = described.map(({ name }) => name);
  const sensitive = options.sensitive ?? [];
  const unknown = sensitive.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new CommandFailure('usage', `--sensitive names no --scope: ${unknown.join(', ')}.`);
  return {
    name: options.name,
    scopes: Object.fromEntries(
      described.map(({ name, description }) => [name, { description, sensitive: sensitive.includes(name) }]),
    ),
    defaultScopes: options.default ?? names.slice(0, 1),
    roles: Object.fromEntries((options.role ?? ['lead']).map((role) => roleOf(role, names))),
    ...(options.proofOfPossession && { proofOfPossession: options.proofOfPossession }),
    ...upstreamOf(options),
    ...authenticationOf(options),
  };
}

function describedScope(text: string): { name: string; description: string } {
  const [, name, description] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || description === undefined) {
    throw new CommandFailure('usage', 'Write a scope with what it allows: --scope "notes:read=Read your notes".');
  }
  return { name, description };
}

function upstreamOf({ upstream, upstreamScope }: AddOptions): Pick<Definition, 'upstream'> {
  if (upstream === undefined && upstreamScope === undefined) return {};
  if (upstream === undefined || upstreamScope === undefined) {
    const text = 'Give --upstream and --upstream-scope together: --upstream github --upstream-scope repos:read=repo.';
    throw new CommandFailure('usage', text);
  }
  return { upstream: { name: upstream, scopes: Object.fromEntries(upstreamScope.map(neededThere)) } };
}

function neededThere(text: string): [string, string[]] {
  const [, scope, needed] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (scope === undefined || needed === undefined) {
    throw new CommandFailure('usage', 'Write a scope with what it needs there: --upstream-scope repos:read=repo.');
  }
  return [scope, needed.split(',').filter(Boolean)];
}

/** `agent` for all scopes, `agent=notes:read,notes:write` for those alone. */
function roleOf(text: string, all: readonly string[]): [string, string[]] {
  const [, role = '', scopes] = /^([^=]+)(?:=(.*))?$/s.exec(text) ?? [];
  return [role, scopes === undefined ? [...all] : scopes.split(',').filter(Boolean)];
}

function authenticationOf({ auth, publicKey }: AuthenticationOptions) {
  const byKey = publicKey !== undefined;
  return {
    authentication: auth ?? (byKey ? ('private_key_jwt' as const) : ('client_secret_basic' as const)),
    ...(byKey && { jwks: readPublicKeys(publicKey) }),
  };
}

function showResource({ out, terminal, issuer }: CommandContext, answer: Answer): void {
  const { resource, clientSecret } = answer;
  out.facts(
    {
      resource: resource.url,
      name: resource.name,
      'comes from': comesFrom(resource),
      scopes: Object.keys(resource.scopes).join(' '),
      'without a scope': resource.defaultScopes.join(' '),
      roles: Object.entries(resource.roles)
        .map(([role, scopes]) => `${role} (${scopes.join(' ')})`)
        .join(', '),
      'tokens bound to': resource.proofOfPossession,
      upstream: resource.upstream && upstreamWords(resource.upstream),
      added: resource.createdAt && shortTime(resource.createdAt),
      client_id: resource.clientId,
      client_secret: clientSecret,
      ...(clientSecret !== undefined && { '': 'The secret is not shown again.' }),
    },
    answer,
  );
  if (!out.json) terminal.write(guardSnippet(issuer, resource));
}

function upstreamWords({ name, scopes }: NonNullable<Resource['upstream']>): string {
  const needs = Object.entries(scopes).map(([scope, needed]) => `${scope} needs ${needed.join(' ')}`);
  return `${name} (${needs.join(', ')})`;
}

/** What to write in the server; see the guide of the guard for the whole. */
function guardSnippet(
  issuer: string,
  { url, name, scopes, defaultScopes, proofOfPossession, clientId }: Resource,
): string {
  const options = {
    issuer,
    resource: url,
    resourceName: name,
    scopes: { supported: Object.keys(scopes), baseline: defaultScopes },
    ...(proofOfPossession && { proofOfPossession }),
  };
  return `
Next, in that server (npm install @portcullis/guard):

  import { createGuard } from '@portcullis/guard';
  const guard = createGuard({
    ...${JSON.stringify(options)},
    revocation: { clientId: '${clientId}', clientSecret: process.env.CLIENT_SECRET },
  });
  export default { fetch: (request) => guard.protect(request, (admitted, principal) => yourServer(admitted, principal)) };
`;
}

function comesFrom({ source }: Resource): string {
  return { configuration: 'the configuration', administrator: 'an administrator' }[source];
}
