import { publicDocumentHeaders } from './cross-origin.ts';

/** Answers with a JSON document that anybody may read: GET, HEAD and OPTIONS, every origin. */
export function publicDocument(request: Request, document: unknown, maxAgeSeconds: number): Response {
  if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: publicDocumentHeaders });
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return new Response(null, { status: 405, headers: { ...publicDocumentHeaders, allow: 'GET, HEAD, OPTIONS' } });
  }
  const headers = {
    ...publicDocumentHeaders,
    'content-type': 'application/json',
    'cache-control': `public, max-age=${maxAgeSeconds}`,
    'x-content-type-options': 'nosniff',
  };
  return new Response(request.method === 'HEAD' ? null : JSON.stringify(document), { status: 200, headers });
}
