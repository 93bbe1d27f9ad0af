import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { resetAdvice } from '../src/provider/client-reset.ts';

const guide = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8').split('\n');

/** What the page for a removed client says about each client that is known, without what helps in any. */
const [, ...advice] = resetAdvice(undefined);

test.each(advice)('docs/clients.md says the same as the page for a removed client: %s', (sentence) => {
  expect(guide).toContain(sentence);
});
