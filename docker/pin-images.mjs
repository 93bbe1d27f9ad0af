// Asks the registries of the images that the Dockerfile and docker-compose.yml name for their digests, and prints lines
// for .env: node docker/pin-images.mjs >> .env
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** The variables of docker-compose.yml that name images, with the image that each has by default. */
export function imagesOf(compose) {
  return [...compose.matchAll(/\$\{(\w+_IMAGE):-([^}]+)\}/g)].map(([, variable, image]) => ({ variable, image }));
}

/** Where an image lies: `postgres:15` is `library/postgres` at Docker's own registry. */
export function placeOf(image) {
  const [, registry, name, tag] = /^(?:([^/]+[.:][^/]*|localhost)\/)?(.+?):([^:/]+)$/.exec(image) ?? [];
  if (name === undefined) throw new Error(`${image} names no version`);
  if (registry !== undefined) return { registry: `https://${registry}`, name, tag };
  return { registry: 'https://registry-1.docker.io', name: name.includes('/') ? name : `library/${name}`, tag };
}

/**
 * The digest that a registry has for an image now (OCI distribution specification, section "Pulling manifests").
 * @throws {Error} when it does not answer, or names none
 */
export async function digestOf(image, { fetch = globalThis.fetch } = {}) {
  const { registry, name, tag } = placeOf(image);
  const url = `${registry}/v2/${name}/manifests/${tag}`;
  const ask = (headers) => fetch(url, { method: 'HEAD', headers: { accept: MANIFESTS, ...headers } });
  let answer = await ask({});
  if (answer.status === 401) {
    const token = await tokenFor(answer.headers.get('www-authenticate') ?? '', fetch);
    answer = await ask({ authorization: `Bearer ${token}` });
  }
  const digest = answer.headers.get('docker-content-digest');
  if (!answer.ok || !/^sha256:[0-9a-f]{64}$/.test(digest ?? ''))
    throw new Error(`${registry} has no digest for ${image} (${answer.status})`);
  return digest;
}

/** Registries send anonymous callers to a token service. */
async function tokenFor(challenge, fetch) {
  const { realm, ...query } = Object.fromEntries(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  );
  if (realm === undefined) throw new Error('the registry asks for credentials that this script does not have');
  const answer = await fetch(`${realm}?${new URLSearchParams(query)}`);
  if (!answer.ok) throw new Error(`${realm} gives no token (${answer.status})`);
  return (await answer.json()).token;
}

async function main() {
  const compose = readFileSync(join(import.meta.dirname, '..', 'docker-compose.yml'), 'utf8');
  const lines = [];
  for (const { variable, image } of imagesOf(compose)) lines.push(`${variable}=${image}@${await digestOf(image)}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main().catch((cause) => {
    process.stderr.write(`No digest was written: ${cause.message}${cause.cause ? ` (${cause.cause.message})` : ''}\n`);
    process.exitCode = 1;
  });
}
