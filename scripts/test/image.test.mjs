import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { digestOf, imagesOf, placeOf } from '../../docker/pin-images.mjs';
import { stagesOf } from '../image/dockerfile.mjs';
import { inRoot, readJson } from '../prepare/root.mjs';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const compose = readFileSync(inRoot('docker-compose.yml'), 'utf8');
const [build, image] = stagesOf(readFileSync(inRoot('Dockerfile'), 'utf8'));
const last = (keyword) => image.instructions.findLast((each) => each.keyword === keyword)?.rest;

describe('the image', () => {
  test('has the Node.js that the project pins, by its version', () => {
    const { node } = readJson('package.json').dependencies;
    expect([build.base, image.base]).toEqual(Array(2).fill(`node:${node}-bookworm-slim`));
    expect(imagesOf(compose)).toContainEqual({ variable: 'NODE_IMAGE', image: build.base });
  });

  test('runs without root, and is asked for its health', () => {
    expect(last('USER')).toBe('node');
    expect(last('HEALTHCHECK')).toContain('/readyz');
    expect(image.instructions.findIndex(({ keyword }) => keyword === 'USER')).toBeGreaterThan(
      image.instructions.findLastIndex(({ keyword }) => keyword === 'RUN'),
    );
  });

  test('takes nothing of the build but what runs', () => {
    const copied = image.instructions.filter(({ keyword }) => keyword === 'COPY').map(({ rest }) => rest);
    for (const rest of copied)
      expect(rest).toMatch(/^--from=build \/portcullis\/(package\.json|node_modules|prisma|packages|apps) /);
  });

  test('is built without secrets, and without what .gitignore keeps out', () => {
    const ignored = readFileSync(inRoot('.dockerignore'), 'utf8').split('\n');
    expect(ignored).toEqual(expect.arrayContaining(['data', 'docker/secrets', 'docker/certificates', '.env', '.git']));
  });
});

describe('digests of images', () => {
  test('every image has a version, and none a digest that nobody fetched', () => {
    const images = imagesOf(compose);
    expect(images.map(({ variable }) => variable).sort()).toEqual(['CADDY_IMAGE', 'NODE_IMAGE', 'POSTGRES_IMAGE']);
    for (const { image: name } of images) {
      expect(name).toMatch(/:\d/);
      expect(name).not.toContain('@sha256:');
    }
  });

  test('names are looked up where a container engine looks', () => {
    expect(placeOf('node:24.21.0')).toEqual({
      registry: 'https://registry-1.docker.io',
      name: 'library/node',
      tag: '24.21.0',
    });
    expect(placeOf('acme/desk:1')).toMatchObject({ name: 'acme/desk' });
    expect(placeOf('registry.example.com:5000/acme/desk:1.2')).toEqual({
      registry: 'https://registry.example.com:5000',
      name: 'acme/desk',
      tag: '1.2',
    });
    expect(() => placeOf('node')).toThrow('names no version');
  });

  /** A registry that sends anonymous callers to its token service. */
  const registry =
    (digest) =>
    async (url, { headers = {} } = {}) => {
      if (String(url).startsWith('https://auth.example/token?service=r&scope=pull'))
        return new Response(JSON.stringify({ token: 'anonymous' }));
      if (headers.authorization !== 'Bearer anonymous')
        return new Response(null, {
          status: 401,
          headers: { 'www-authenticate': 'Bearer realm="https://auth.example/token",service="r",scope="pull"' },
        });
      return new Response(null, { headers: digest ? { 'docker-content-digest': digest } : {} });
    };

  test('come from the registry', async () => {
    expect(await digestOf('node:24.21.0', { fetch: registry(DIGEST) })).toBe(DIGEST);
  });

  test.each([undefined, 'sha256:short'])('are not made up where it has none (%s)', async (digest) => {
    await expect(digestOf('node:24.21.0', { fetch: registry(digest) })).rejects.toThrow('no digest');
  });
});
