import { createServer, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { listen, withReadableTarget } from '../src/index.ts';

/** Sends a request line to a server that tells what it was asked. */
async function answerTo(target: string): Promise<string> {
  const tell = ({ url, headers }: IncomingMessage) => `${url} at ${headers.host}`;
  const server = createServer(withReadableTarget((request, response) => response.end(tell(request))));
  const listening = await listen(server, { host: '127.0.0.1', port: 0, variable: 'PORT' });
  try {
    return await new Promise<string>((resolve, reject) => {
      let answer = '';
      const socket = connect(listening.port, '127.0.0.1', () =>
        socket.write(`GET ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`),
      );
      socket.on('data', (chunk) => (answer += String(chunk)));
      socket.on('error', reject);
      socket.on('close', () => resolve(answer.replace(/\r\n[\s\S]*\r\n\r\n/, ' ').trim()));
    });
  } finally {
    await listening.close();
  }
}

test.each([
  ['/a?b=c', 'HTTP/1.1 200 OK /a?b=c at a.example'],
  ['//b.example/c', 'HTTP/1.1 200 OK //b.example/c at a.example'],
  ['*', 'HTTP/1.1 200 OK * at a.example'],
  ['http://b.example:81/c?d', 'HTTP/1.1 200 OK /c?d at b.example:81'],
  ['HTTPS://b.example', 'HTTP/1.1 200 OK / at b.example'],
])('takes the target %s by its path (RFC 9112 section 3.2.2)', async (target, answer) => {
  expect(await answerTo(target)).toBe(answer);
});

test.each(['http://', 'http://[::1', 'http://:x/', 'x:y'])('answers the target %s with 400', async (target) => {
  expect(await answerTo(target)).toMatch(/^HTTP\/1\.1 400 Bad Request/);
});
