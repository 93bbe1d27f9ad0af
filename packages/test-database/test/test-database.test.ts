import { afterEach, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/test-database.ts';

const kind = globalThis.portcullisTestDatabase;

describe(`a test database of kind ${kind}`, () => {
  const made: TestDatabase[] = [];
  afterEach(() => Promise.all(made.splice(0).map((database) => database.drop())));

  test('is another one each time', async () => {
    made.push(await createTestDatabase(), await createTestDatabase());
    expect(made[0]?.url).not.toBe(made[1]?.url);
  });

  test('is of the kind that the project asks for', async () => {
    const database = await createTestDatabase();
    made.push(database);
    expect(database.url).toMatch(kind === 'postgresql' ? /^postgresql:\/\/.*\/test_/ : /^file:\/.*\.sqlite$/);
  });
});
