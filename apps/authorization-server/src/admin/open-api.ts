import { ADMIN_API_PATH, ADMIN_OPERATIONS, type AdminOperation, adminProblem } from '@portcullis/platform';
import { z } from 'zod';
import type { Site } from '../site.ts';

const OPERATIONS: Readonly<Record<string, AdminOperation>> = ADMIN_OPERATIONS;

/** The admin API as an OpenAPI 3.1 document, made of the schemas that judge the requests. */
export function openApiDocument({ issuer }: Site): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    paths[operation.path] = { ...paths[operation.path], [operation.method.toLowerCase()]: describe(name, operation) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Portcullis admin API', version: '1' },
    servers: [{ url: `${issuer}${ADMIN_API_PATH}` }],
    paths,
    components: {
      securitySchemes: {
        administrator: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: `Audience ${issuer}/admin` },
      },
    },
  };
}

function describe(name: string, { summary, scope, path, query, body, status, response }: AdminOperation): object {
  const bodySchema = jsonSchema(body);
  return {
    operationId: name,
    summary,
    description: scope === 'any' ? 'Takes any admin scope.' : `Takes the scope \`${scope}\`.`,
    security: [{ administrator: [] }],
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => ({
        name: parameter,
        in: 'path',
        required: true,
        schema: { type: 'string' },
      })),
      ...queryParameters(query),
    ],
    ...(Object.keys(body.shape).length > 0 && {
      requestBody: { required: true, content: { 'application/json': { schema: bodySchema } } },
    }),
    responses: {
      [status]: { description: 'Done.', content: { 'application/json': { schema: jsonSchema(response) } } },
      default: {
        description: 'Refused.',
        content: { 'application/problem+json': { schema: jsonSchema(adminProblem) } },
      },
    },
  };
}

function queryParameters(query: z.ZodObject): object[] {
  return Object.entries(query.shape).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !schema.safeParse(undefined).success,
    schema: jsonSchema(schema),
  }));
}

function jsonSchema(schema: z.core.$ZodType): object {
  return z.toJSONSchema(schema, { io: 'input' });
}
