// Copied into an empty project and run there: serves each of the guard's examples at the address that it is given.
// What it loads exists in that project alone.
import { createServer } from 'node:http';

const load = (name) => import(name);
const [issuer = '', ...resources] = process.argv.slice(2);
const { getRequestListener } = await load('@hono/node-server');
const { nodeServer } = await load('./protect-node.ts');
const { expressApp } = await load('./protect-express.ts');
const { koaApp } = await load('./protect-koa.ts');
const { honoApp } = await load('./protect-hono.ts');
const { fetchServer } = await load('./protect-fetch.ts');
const { mcpServer } = await load('./mcp-sdk-v1.ts');
const makers = [
  (resource) => nodeServer(issuer, resource),
  (resource) => expressApp(issuer, resource),
  (resource) => koaApp(issuer, resource).callback(),
  (resource) => getRequestListener(honoApp(issuer, resource).fetch),
  (resource) => getRequestListener(fetchServer(issuer, resource).fetch),
  (resource) => mcpServer(issuer, resource),
];
for (const [index, resource] of resources.entries()) {
  const made = makers[index](resource);
  const server = typeof made === 'function' ? createServer(made) : made;
  server.listen(Number(new URL(resource).port), '127.0.0.1');
}
