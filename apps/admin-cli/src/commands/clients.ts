import type { AdminAnswer, AdminOperationName } from '@portcullis/platform';
import { type Command, Option } from 'commander';
import { collected, count, duration, type SubjectName, subjectName } from '../arguments.ts';
import { type CliDeps, type CommandContext, contextOf } from '../command.ts';
import { CommandFailure } from '../failure.ts';
import { createOutput, type Output, shortTime } from '../output.ts';
import { readPages } from '../pages.ts';
import { readPublicKeys } from '../public-keys.ts';

type Client = AdminAnswer<'showClient'>['client'];

const NAMED = 'the client id that `portcullis clients list` shows';

/** clients list, show, register, update, rotate-secret, disable, enable, approve, reject, delete. */
export function addClientCommands(program: Command, deps: CliDeps): void {
  const clients = program.command('clients').description('Apps and machines that are registered here.');
  addReading(clients, deps);
  addRegister(clients, deps);
  addUpdate(clients, deps);
  addRotateSecret(clients, deps);
  addSwitch(clients, {
    deps,
    name: 'disable',
    operation: 'disableClient',
    asks: true,
    text: 'Keep an app out until it is enabled again. Its grants stay.',
  });
  addSwitch(clients, { deps, name: 'enable', operation: 'enableClient', text: 'Let a disabled app in again.' });
  addDecision(clients, {
    deps,
    name: 'approve',
    operation: 'approveClient',
    text: 'Let in an app that waits for a review. Shows it first.',
  });
  addDecision(clients, {
    deps,
    name: 'reject',
    operation: 'rejectClient',
    asks: true,
    text: 'Turn away an app that waits for a review. Shows it first.',
  });

  clients
    .command('delete')
    .description('Remove an app, with everything that users had allowed it.')
    .argument('<client>', NAMED)
    .action(async (client: string, _options: object, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Delete ${client} and all its grants?`);
      const answer = await api.call('deleteClient', { params: { client } });
      out.done(`Deleted ${answer.client.name ?? client}; grants ended: ${answer.grants}.`, answer);
    });
}

function addReading(clients: Command, deps: CliDeps): void {
  clients
    .command('list')
    .description('List apps, the newest first.')
    .option('--state <state>', 'only those that are active, pending, rejected or disabled')
    .option('--limit <number>', 'how many at most', count, 100)
    .action(async ({ limit, state }: { limit: number; state?: Client['state'] }, command: Command) => {
      const { api, out, terminal } = contextOf(command, deps);
      const { items, more } = await readPages(limit, (query) =>
        api.call('listClients', { query: { ...query, ...(state !== undefined && { state }) } }),
      );
      out.table(items, {
        data: { items },
        empty: 'There is no such app.',
        columns: [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'STATE', value: (client) => client.state },
          { title: 'CAME BY', value: cameBy },
          { title: 'LAST USED', value: ({ lastUsedAt }) => shortTime(lastUsedAt) },
          { title: 'CLIENT ID', value: ({ id }) => id },
        ],
      });
      if (more) terminal.note('There are more: raise --limit.\n');
    });

  clients
    .command('show')
    .description('Show one app.')
    .argument('<client>', NAMED)
    .action(async (client: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command, deps);
      showClient(out, await api.call('showClient', { params: { client } }));
    });
}

type RegisterOptions = {
  name: string;
  redirectUri?: string[];
  confidential?: true;
  auth?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'tls_client_auth';
  publicKey?: string;
  tlsSubject?: string;
  tlsSan?: SubjectName;
  proofOfPossession?: 'none' | 'dpop' | 'certificate';
  scope?: string[];
  resource?: string[];
  firstParty?: true;
  machine?: true;
  admin?: true;
};

function addRegister(clients: Command, deps: CliDeps): void {
  clients
    .command('register')
    .description('Register an app, or a machine that acts for itself. A secret is shown once.')
    .requiredOption('--name <name>', 'the name that people see')
    .option('--redirect-uri <uri>', 'where the browser goes back to the app; can be given several times', collected)
    .option('--confidential', 'the app runs where it can keep a secret, and gets one')
    .option(
      '--auth <method>',
      'client_secret_basic (the default with --confidential), client_secret_post, private_key_jwt or tls_client_auth',
    )
    .option('--public-key <file>', 'the public key for private_key_jwt: PEM, JWK or JWKS')
    .option('--tls-subject <name>', 'the subject of the certificate for tls_client_auth: CN=nightly,O=Example')
    .option('--tls-san <type:name>', 'or another name in it: dns:, uri:, ip: or email: and the name', subjectName)
    .addOption(
      new Option(
        '--proof-of-possession <what>',
        'what all its tokens are bound to: dpop, certificate (the default with tls_client_auth) or none',
      ).choices(['dpop', 'certificate', 'none']),
    )
    .option('--scope <scope>', 'let it ask for this scope only; can be given several times', collected)
    .option('--resource <url>', 'let it ask for this server only; can be given several times', collected)
    .option('--first-party', 'the app is your own: the consent page names your server, not “unverified”')
    .option('--machine', 'it acts for itself, with client credentials and for no user; takes --resource')
    .option('--admin', 'it is a machine that administers this server; takes --scope and --public-key')
    .addHelpText(
      'after',
      `
Examples:
  portcullis clients register --name Helper --redirect-uri http://127.0.0.1/callback
  portcullis clients register --name Portal --redirect-uri https://portal.example/cb --confidential
  portcullis clients register --name Nightly --admin --scope admin:users --public-key nightly.pem
  portcullis clients register --name Importer --machine --resource https://mcp.example/mcp --tls-subject CN=importer

The subject of a certificate: openssl x509 -noout -subject -nameopt RFC2253 -in importer.pem`,
    )
    .action(async (options: RegisterOptions, command: Command) => {
      const { api, out } = contextOf(command, deps);
      const answer = await api.call('registerClient', { body: registrationOf(options) });
      showClient(out, answer);
    });
}

function registrationOf(options: RegisterOptions) {
  const { name, publicKey, scope, resource, admin, machine, firstParty, confidential, redirectUri } = options;
  const { auth, tlsSubject, tlsSan, proofOfPossession } = options;
  if (tlsSubject !== undefined && tlsSan) {
    throw new CommandFailure('usage', 'Give one name of the certificate: --tls-subject or --tls-san.');
  }
  const subject = tlsSubject === undefined ? tlsSan : { type: 'dn' as const, value: tlsSubject };
  const secret = confidential || machine ? ('client_secret_basic' as const) : ('none' as const);
  return {
    name,
    redirectUris: redirectUri ?? [],
    authentication:
      auth ?? (subject ? 'tls_client_auth' : publicKey === undefined ? secret : ('private_key_jwt' as const)),
    ...(subject && { tlsSubject: subject }),
    ...(proofOfPossession && { proofOfPossession }),
    ...(publicKey !== undefined && { jwks: readPublicKeys(publicKey) }),
    ...(scope && { scopes: scope }),
    ...(resource && { resources: resource }),
    firstParty: firstParty ?? false,
    machine: (machine ?? false) || (admin ?? false),
    admin: admin ?? false,
  };
}

type UpdateOptions = {
  name?: string;
  redirectUri?: string[];
  scope?: string[];
  anyScope?: true;
  resource?: string[];
  anyResource?: true;
  firstParty?: boolean;
};

function addUpdate(clients: Command, deps: CliDeps): void {
  clients
    .command('update')
    .description('Change an app. What you do not name stays.')
    .argument('<client>', NAMED)
    .option('--name <name>', 'the name that people see')
    .option(
      '--redirect-uri <uri>',
      'where the browser goes back to the app, in place of all before; can be given several times',
      collected,
    )
    .option('--scope <scope>', 'let it ask for this scope only; can be given several times', collected)
    .option('--any-scope', 'let it ask for every scope')
    .option('--resource <url>', 'let it ask for this server only; can be given several times', collected)
    .option('--any-resource', 'let it ask for every server')
    .option('--first-party', 'the app is your own: the consent page names your server, not “unverified”')
    .option('--no-first-party', 'the app is somebody else’s')
    .action(async (client: string, options: UpdateOptions, command: Command) => {
      const { api, out } = contextOf(command, deps);
      const { name, redirectUri, scope, anyScope, resource, anyResource, firstParty } = options;
      const body = {
        ...(name !== undefined && { name }),
        ...(redirectUri && { redirectUris: redirectUri }),
        ...((scope || anyScope) && { scopes: scope ?? null }),
        ...((resource || anyResource) && { resources: resource ?? null }),
        ...(firstParty !== undefined && { firstParty }),
      };
      if (Object.keys(body).length === 0) throw new CommandFailure('usage', 'Say what to change; see --help.');
      showClient(out, await api.call('updateClient', { params: { client }, body }));
    });
}

function addRotateSecret(clients: Command, deps: CliDeps): void {
  clients
    .command('rotate-secret')
    .description('Give a confidential app another secret, shown once. The one before works on for a while.')
    .argument('<client>', NAMED)
    .addOption(
      new Option('--overlap <time>', 'how long the secret before works on: 0s, 30m, 24h, 7d')
        .argParser(duration)
        .default(86_400, '24h'),
    )
    .action(async (client: string, { overlap }: { overlap: number }, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Give ${client} another secret?`);
      const answer = await api.call('rotateClientSecret', { params: { client }, body: { overlapSeconds: overlap } });
      out.facts(
        {
          client_id: answer.client.id,
          client_secret: answer.clientSecret,
          'old one until': shortTime(answer.previousUntil),
          '': 'The secret is not shown again.',
        },
        answer,
      );
    });
}

type StateChange<Operation extends AdminOperationName> = {
  deps: CliDeps;
  name: string;
  text: string;
  operation: Operation;
  /** Whether it has to be confirmed, by `--yes` where nobody can be asked. */
  asks?: true;
};

function addSwitch(
  clients: Command,
  { deps, name, text, operation, asks }: StateChange<'disableClient' | 'enableClient'>,
): void {
  clients
    .command(name)
    .description(text)
    .argument('<client>', NAMED)
    .action(async (client: string, _options: object, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      if (asks) await confirm(`${capitalised(name)} ${client}?`);
      const answer = await api.call(operation, { params: { client } });
      out.done(`${answer.client.name ?? client} is ${answer.client.state} now.`, answer);
    });
}

/** A decision about an app is one about what it says of itself, as it was shown: the server refuses any other. */
function addDecision(
  clients: Command,
  { deps, name, text, operation, asks }: StateChange<'approveClient' | 'rejectClient'>,
): void {
  clients
    .command(name)
    .description(text)
    .argument('<client>', NAMED)
    .option('--seen <version>', 'the version that `clients show` showed; without it the app is shown now')
    .action(async (client: string, { seen }: { seen?: string }, command: Command) => {
      const { api, confirm, out, terminal } = contextOf(command, deps);
      const question = `${capitalised(name)} ${client}?`;
      if (asks && !terminal.canAsk) await confirm(question);
      const version = seen ?? (await lookAt(client, { api, out, terminal }));
      if (terminal.canAsk) await confirm(question);
      const answer = await api.call(operation, { params: { client }, body: { version } });
      out.done(`${answer.client.name ?? client} is ${answer.client.state} now.`, answer);
    });
}

/** Shows an app beside the answer, where there is something to decide; returns the version that was shown. */
async function lookAt(
  client: string,
  { api, out, terminal }: Pick<CommandContext, 'api' | 'out' | 'terminal'>,
): Promise<string> {
  const answer = await api.call('showClient', { params: { client } });
  const { state, registration, version } = answer.client;
  const isOpen = state === 'pending' || state === 'rejected' || registration === 'document';
  if (isOpen && !out.json) showClient(createOutput({ ...terminal, write: terminal.note }, { json: false }), answer);
  return version;
}

function capitalised(word: string): string {
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
}

function showClient(out: Output, answer: { client: Client; clientSecret?: string | undefined }): void {
  const { client, clientSecret } = answer;
  out.facts(
    {
      client_id: client.id,
      client_secret: clientSecret,
      name: client.name,
      state: client.state,
      'came by': cameBy(client),
      authentication: client.authentication,
      'certificate of': client.tlsSubject,
      'tokens bound to': client.proofOfPossession,
      'redirect URIs': client.redirectUris.join(' ') || null,
      'server of': client.resourceServer,
      'grant types': client.grantTypes.join(' ') || null,
      scopes: client.scopes?.join(' ') ?? 'any',
      resources: client.resources?.join(' ') ?? 'any',
      'first party': client.firstParty ? 'yes' : null,
      created: shortTime(client.createdAt),
      'last used': shortTime(client.lastUsedAt),
      'removed unless used': client.expiresAt && shortTime(client.expiresAt),
      version: client.version,
      ...(clientSecret !== undefined && { '': 'The secret is not shown again.' }),
    },
    answer,
  );
}

function cameBy({ registration }: Client): string {
  return { dynamic: 'registering itself', manual: 'an administrator', document: 'its own document' }[registration];
}
