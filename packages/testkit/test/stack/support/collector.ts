import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';

/** One span as it was sent; `kind` in OTLP's numbers: 1 internal, 2 server, 3 client. */
export type CollectedSpan = {
  service: string;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  name: string;
  kind: number;
  attributes: Record<string, unknown>;
};

/** Takes traces over OTLP in JSON, and keeps all of it. */
export type Collector = {
  /** What makes a server send its traces here, soon. */
  env: Record<string, string>;
  /** All that was sent, as it was sent, with its headers. */
  text(): string;
  spans(): CollectedSpan[];
  close(): Promise<void>;
};

const value = z
  .object({ stringValue: z.string(), boolValue: z.boolean(), intValue: z.union([z.number(), z.string()]) })
  .partial();
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .transform((list) => Object.fromEntries(list.map(({ key, value: of }) => [key, Object.values(of)[0]])));
const exported = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
              name: z.string(),
              kind: z.number(),
              attributes: attributes.default({}),
            }),
          ),
        }),
      ),
    }),
  ),
});

/** Starts one on a free loopback port. */
export async function startCollector(): Promise<Collector> {
  const posts: string[] = [];
  let headers = '';
  const server = createServer(async (request, response) => {
    posts.push((await buffer(request)).toString());
    headers += `${request.url}\n${request.rawHeaders.join('\n')}\n`;
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    },
    text: () => `${headers}${posts.join('\n')}`,
    spans: () => posts.flatMap((post) => spansIn(exported.parse(JSON.parse(post)))),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function spansIn({ resourceSpans }: z.output<typeof exported>): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ parentSpanId, ...span }) => ({
        ...span,
        service: String(resource.attributes['service.name']),
        parentSpanId: parentSpanId || undefined,
      })),
    ),
  );
}
