import type { RequestListener } from 'node:http';

/** What is measured, as a text that Prometheus reads. */
type Measured = { text(): Promise<string>; contentType: string };

/** Answers `GET /metrics` and nothing else; it belongs on a listener of its own, which no client can reach. */
export function metricsListener({ text, contentType }: Measured): RequestListener {
  return (request, response) => {
    // What is thrown here ends the process, and there are targets that are no URL, such as `//`.
    if (URL.parse(request.url ?? '', 'http://localhost')?.pathname !== '/metrics') {
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
