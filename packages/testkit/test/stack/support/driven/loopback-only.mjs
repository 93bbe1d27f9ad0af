import { appendFileSync } from 'node:fs';
import { Socket } from 'node:net';

/** Preloaded into client programs: a connection that would leave this machine is written down and refused. */
const { connect } = Socket.prototype;

Socket.prototype.connect = function connectWithin(...args) {
  const [first, second] = Array.isArray(args[0]) ? args[0] : args;
  const { host = 'localhost', path } = typeof first === 'object' ? first : { host: second };
  if (path === undefined && !['localhost', '127.0.0.1', '::1'].includes(host)) {
    appendFileSync(process.env.REACHED_OUT_LOG, `${host}\n`);
    throw new Error(`${host} is not on this machine`);
  }
  return connect.apply(this, args);
};
