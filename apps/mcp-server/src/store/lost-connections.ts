import type pg from 'pg';

/**
 * Keeps this process alive when a connection is lost: an error event that nobody listens to would end it. The pool
 * speaks for connections that are idle, each connection for itself while it is in use; its query fails besides.
 */
export function survive(pool: pg.Pool, onLost: (error: Error) => void): void {
  pool.on('error', onLost);
  pool.on('connect', (connection) => connection.on('error', onLost));
}
