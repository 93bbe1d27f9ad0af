import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/**
 * Sends `text` as it stands to the loopback port of an address, by TLS where that is https, and gives all that comes back
 * until the other side hangs up.
 */
export function sendBytes(address: string | URL, text: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = open(new URL(address), () => socket.write(text));
    socket.setEncoding('latin1').setTimeout(20_000, () => socket.destroy(new Error('no end within 20 s')));
    socket.on('data', (chunk: string) => (answer += chunk));
    // A server that refuses early may reset the connection behind its answer.
    socket.on('error', (cause) => (answer === '' ? reject(cause) : resolve(answer)));
    socket.on('close', () => resolve(answer));
  });
}

function open({ protocol, hostname, port }: URL, connected: () => void): Socket {
  const at = { host: '127.0.0.1', port: Number(port) };
  return protocol === 'https:' ? connectTls({ ...at, servername: hostname }, connected) : connect(at, connected);
}
