import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { RecordedClient } from '../src/index.ts';
import { recordedClients } from '../src/index.ts';

const guide = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8');
const rows = guide
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, ...cells]) => cells.slice(0, 4));

test('the table of docs/clients.md says what is recorded, replayed and driven', () => {
  expect(rows).toEqual([
    ['client', 'recorded shape', 'way in', 'result'],
    ['---', '---', '---', '---'],
    ...recordedClients.map((client) => [client.name, client.recorded, waysIn(client, 'works'), resultOf(client)]),
  ]);
});

test('docs/clients.md has a section for each client, and a way out when its login is stuck', () => {
  const sections = guide.split(/^## /m).slice(1);
  expect(sections.map((section) => section.split('\n', 1)[0])).toEqual(recordedClients.map(({ name }) => name));
  // The last line; that it is the sentence of the page for a removed client is tested beside that page.
  for (const section of sections) expect(section.trim().split('\n').at(-1)).toMatch(/^[\w. ]+[\w-]*: .+\.$/);
});

function resultOf(client: RecordedClient): string {
  const { driven } = client;
  const how = driven?.how === 'by hand' ? `by hand on ${driven.on}` : driven?.how;
  const refused = waysIn(client, 'refused');
  return `${how ? `driven ${how} and ` : ''}replayed${refused && `; refused by ${refused}`}`;
}

function waysIn({ shapes }: RecordedClient, outcome: 'works' | 'refused'): string {
  const kinds = shapes.filter((shape) => shape.outcome === outcome).map(({ wayIn }) => wayIn.kind);
  return [...new Set(kinds)].join(', ');
}
