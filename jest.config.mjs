import { join } from 'node:path';

// The suites start hundreds of servers, and compiling the same modules is a third of what a start costs. Benchmarks run
// without Jest, so that what they measure has no such help.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/portcullis/compiled');

const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    {
      jsc: { target: 'es2024', parser: { syntax: 'typescript' } },
      module: { type: 'es6' },
      sourceMaps: 'inline',
    },
  ],
};

/** Where there is no Chromium, Caddy or docker-compose, the tests that need one are left out; the test script says so. */
const leftOut = [
  ...(process.env.PORTCULLIS_TEST_WITHOUT_CHROMIUM ? ['\\.browser\\.test\\.ts$'] : []),
  ...(process.env.PORTCULLIS_TEST_WITHOUT_CADDY ? ['\\.proxy\\.'] : []),
  ...(process.env.PORTCULLIS_TEST_WITHOUT_COMPOSE ? ['\\.compose\\.test\\.mjs$'] : []),
];

/**
 * End-to-end suites about what a database has a part in: races, crashes, locks, limits, what is stored and how it is asked, and
 * what it refuses.
 */
const ABOUT_DATABASES = [
  ...[
    'attack-audit-trail',
    'attack-limits',
    'attack-malformed',
    'attack-narrowing',
    'audit-*',
    'crash-*',
    'database-away',
    'introspection',
  ],
  ...['journey-stored-secrets', 'key-rotation', 'leak-secrets', 'master-key-rotation'],
  ...['model-refresh', 'queries', 'race-*', 'redemption-failures', 'refresh-grace', 'revocation-feed', 'start-health'],
  ...['volume-refresh', 'postgresql/*'],
];

/** End-to-end suites that are played once more behind the TLS proxy of docker-compose.yml: what clients and attackers do. */
const BEHIND_PROXY = [
  ...['access-token', 'authorization', 'forms', 'keys-away', 'limits', 'malformed', 'registration'].map(
    (name) => `attack-${name}`,
  ),
  ...[
    'client-documents',
    'dpop',
    'issuer-path',
    'real-clients',
    'resources',
    'sdk-clients.browser',
    'sdk-v1-server',
  ].map((name) => `journey-${name}`),
  ...['journey-stored-secrets', 'journey-users', 'database-away', 'leak-secrets', 'start-refused'],
].map((name) => `test/stack/${name}.test.ts`);

/** Everything by default; the test script asks for less where it is to be quick. */
const onPostgresql = process.env.PORTCULLIS_TEST_QUICK
  ? ABOUT_DATABASES.map((name) => `test/stack/${name}.test.ts`)
  : ['test/stack/**/*.test.ts'];

/** Settings that every project has; `tests` are globs below the workspace's folder. */
function project(displayName, folder, tests = ['test/**/*.test.ts']) {
  return {
    displayName,
    rootDir: `<rootDir>/${folder}`,
    testMatch: tests.map((glob) => (glob.startsWith('!') ? `!**/${folder}/${glob.slice(1)}` : `**/${folder}/${glob}`)),
    testEnvironment: 'node',
    extensionsToTreatAsEsm: ['.ts'],
    transform,
    testPathIgnorePatterns: ['/node_modules/', '/dist/', ...leftOut],
  };
}

const EVERYTHING = { sqlite: ['test/**/*.test.ts'], postgresql: ['test/**/*.test.ts'] };

/** What starts the PostgreSQL server of a run, once for all projects that want it. */
const ON_POSTGRESQL = {
  globalSetup: join(import.meta.dirname, 'scripts/jest/start-postgresql.mjs'),
  globalTeardown: join(import.meta.dirname, 'scripts/jest/stop-postgresql.mjs'),
};

/** Two replicas of each server on PostgreSQL behind the proxy; nothing where the run is to be quick, or is behind it anyway. */
function behindProxy() {
  const { PORTCULLIS_TEST_QUICK, PORTCULLIS_TEST_BEHIND_PROXY } = process.env;
  const { PORTCULLIS_TEST_WITHOUT_POSTGRESQL, PORTCULLIS_TEST_WITHOUT_CADDY } = process.env;
  if (PORTCULLIS_TEST_QUICK || PORTCULLIS_TEST_BEHIND_PROXY) return [];
  if (PORTCULLIS_TEST_WITHOUT_POSTGRESQL || PORTCULLIS_TEST_WITHOUT_CADDY) return [];
  const globals = { portcullisTestDatabase: 'postgresql', portcullisTestBehindProxy: true };
  return [
    { ...project('testkit-stack (behind the proxy)', 'packages/testkit', BEHIND_PROXY), globals, ...ON_POSTGRESQL },
  ];
}

/**
 * The same tests on both databases, but for those in folders `sqlite/` and `postgresql/` below `test/`.
 * Only a PostgreSQL project starts a PostgreSQL server.
 */
function onBothDatabases(displayName, folder, { sqlite, postgresql } = EVERYTHING) {
  const kinds = process.env.PORTCULLIS_TEST_WITHOUT_POSTGRESQL ? ['sqlite'] : ['sqlite', 'postgresql'];
  return kinds.map((kind) => ({
    ...project(`${displayName} (${kind})`, folder, [
      ...(kind === 'sqlite' ? sqlite : postgresql),
      `!test/**/${kind === 'sqlite' ? 'postgresql' : 'sqlite'}/**`,
    ]),
    globals: { portcullisTestDatabase: kind },
    ...(kind === 'postgresql' && ON_POSTGRESQL),
  }));
}

export default {
  // Each waits for processes, disks and deadlines about half of its time: three keep two cores at work.
  maxWorkers: 3,
  // What a suite loads as ES modules stays in its worker's heap; a fresh worker takes over before that one runs out.
  workerIdleMemoryLimit: '1GB',
  testTimeout: 60_000,
  testSequencer: join(import.meta.dirname, 'scripts/jest/longest-first.mjs'),
  projects: [
    project('scripts', 'scripts', ['test/**/*.test.mjs']),
    project('platform', 'packages/platform'),
    project('guard', 'packages/guard'),
    ...onBothDatabases('test-database', 'packages/test-database'),
    ...onBothDatabases('persistence', 'packages/persistence'),
    project('authorization-server', 'apps/authorization-server'),
    ...onBothDatabases('mcp-server', 'apps/mcp-server'),
    project('testkit', 'packages/testkit', ['test/**/*.test.ts', '!test/stack/**']),
    project('benchmarks', 'packages/benchmarks'),
    ...onBothDatabases('testkit-stack', 'packages/testkit', {
      sqlite: ['test/stack/**/*.test.ts'],
      postgresql: onPostgresql,
    }),
    ...behindProxy(),
  ],
};
