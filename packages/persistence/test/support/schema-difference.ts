import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

export type DatabaseKind = 'sqlite' | 'postgresql';

/**
 * The SQL that would bring a database to the model of prisma/. Empty when it is there already.
 * Prisma's schema engine as WebAssembly says so; the schema engine as a program is not needed.
 *
 * @param url a live database of this kind; it is only read
 */
export async function schemaDifference(kind: DatabaseKind, url: string): Promise<string> {
  if (kind === 'sqlite') return difference(kind, new PrismaLibSql({ url }));
  const pool = new pg.Pool({ connectionString: url });
  try {
    return await difference(kind, new PrismaPg(readingCharacters(pool)));
  } finally {
    await pool.end();
  }
}

async function difference(kind: DatabaseKind, adapter: PrismaLibSql | PrismaPg): Promise<string> {
  await loadEngine();
  const files = schemaFiles(kind);
  const engine = await bindings.SchemaEngine.new(
    { datamodels: files.map(({ path, content }): [string, string] => [path, content]) },
    () => {},
    bindMigrationAwareSqlAdapterFactory(adapter),
  );
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: prismaFolder(kind).pathname },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    });
    return isEmpty(stdout ?? '') ? '' : (stdout ?? '');
  } finally {
    engine.free();
  }
}

/** PostgreSQL's catalogue has columns of the type "char", which the adapter refuses and the engine reads as text. */
function readingCharacters(pool: pg.Pool): pg.Pool {
  const query = pool.query.bind(pool);
  const asText = async (config: pg.QueryArrayConfig, values?: unknown[]) => {
    const result = await query(config, values);
    for (const field of result.fields)
      if (field.dataTypeID === pg.types.builtins.CHAR) field.dataTypeID = pg.types.builtins.TEXT;
    return result;
  };
  return Object.assign(pool, { query: asText });
}

function isEmpty(script: string): boolean {
  return script.split('\n').every((line) => line.trim() === '' || line.startsWith('--'));
}

function schemaFiles(kind: DatabaseKind): { path: string; content: string }[] {
  return ['schema.prisma', 'models.prisma'].map((path) => ({
    path,
    content: readFileSync(new URL(path, prismaFolder(kind)), 'utf8'),
  }));
}

function prismaFolder(kind: DatabaseKind): URL {
  return new URL(`../../../../prisma/${kind}/`, import.meta.url);
}

let loading: Promise<void> | undefined;

function loadEngine(): Promise<void> {
  loading ??= instantiate();
  return loading;
}

async function instantiate(): Promise<void> {
  const file = createRequire(import.meta.url)
    .resolve('@prisma/schema-engine-wasm/schema_engine_bg')
    .replace(/\.js$/, '.wasm');
  const module = await WebAssembly.compile(readFileSync(file));
  const { exports } = await WebAssembly.instantiate(module, { './schema_engine_bg.js': { ...bindings } });
  bindings.__wbg_set_wasm(exports);
  const start = exports.__wbindgen_start;
  if (typeof start === 'function') start();
}
