export { makeDatabaseFolder } from './database-folder.ts';
export { findFreePort } from './free-port.ts';
export type { PostgresqlCluster, PostgresqlOptions } from './postgresql-cluster.ts';
export { startPostgresql } from './postgresql-cluster.ts';
export { postgresqlPrograms } from './postgresql-programs.ts';
export { rounds } from './rounds.ts';
export type { DatabaseKind, TestDatabase } from './test-database.ts';
export { createTestDatabase } from './test-database.ts';
