import type { RequestListener } from 'node:http';

/** What is measured, as a text that Prometheus reads. */
type Measured = { text(): Promise<string>; contentType: string };

/** Answers `GET /metrics` and nothing else; it belongs on a listener of its own, which no client can reach. */
export function metricsListener({ text, contentType }: Measured): RequestListener {
  return (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    text().then(
      (body) => response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body),
      () => response.writeHead(500).end(),
    );
  };
}
