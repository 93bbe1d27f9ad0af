import { connect } from 'node:net';

/** Sends `text` as it stands to a loopback port, and gives all that comes back until the other side hangs up. */
export function sendBytes(port: number | string, text: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port: Number(port) }, () => socket.write(text));
    socket.setEncoding('latin1').setTimeout(20_000, () => socket.destroy(new Error('no end within 20 s')));
    socket.on('data', (chunk: string) => (answer += chunk));
    // A server that refuses early may reset the connection behind its answer.
    socket.on('error', (cause) => (answer === '' ? reject(cause) : resolve(answer)));
    socket.on('close', () => resolve(answer));
  });
}
