import { afterEach, describe, expect, test } from '@jest/globals';
import type { LoggedRevocation, RevocationLog } from '@portcullis/persistence';
import { createLogger } from '@portcullis/platform';
import { heartbeatEvent, positionOf, revocationsEvent } from '../src/revocation/event-stream.ts';
import { basicCredentials } from '../src/revocation/resource-server.ts';
import { createRevocationFeed, type FeedNews, type RevocationFeed } from '../src/revocation/revocation-feed.ts';

const feeds: RevocationFeed[] = [];
afterEach(() => {
  for (const feed of feeds.splice(0)) feed.close();
});

const row = (id: string, position: bigint): LoggedRevocation => ({
  ...{ id, position, grantId: `grant-${id}`, resource: 'r', issuedUntil: undefined },
});

/** A feed over rows that the test puts down, with everything that one listener was given. */
function feedOver(answers: { rows: LoggedRevocation[]; watermark: bigint; fails?: boolean }) {
  let [readings, hint] = [0, () => {}];
  const read = async <T>(answer: () => T): Promise<T> => {
    if (answers.fails) throw new Error('the database is away');
    return answer();
  };
  const log: RevocationLog = {
    watermark: () => read(() => answers.watermark),
    readFrom: (from) =>
      read(() => {
        readings += 1;
        return { revocations: answers.rows.filter(({ position }) => position >= from), watermark: answers.watermark };
      }),
    list: async () => [],
    covers: async () => false,
  };
  const signal = {
    announce: () => {},
    subscribe(listener: () => void) {
      hint = listener;
      return () => {};
    },
    close: async () => {},
  };
  const feed = createRevocationFeed({ log, signal, logger: createLogger({ name: 'feed', level: 'silent' }) });
  feeds.push(feed);
  const news: FeedNews[] = [];
  return {
    feed,
    news,
    given: () => news.flatMap(({ revocations }) => revocations.map(({ id }) => id)),
    listen: () => feed.subscribe((item) => news.push(item)),
    async readAgain() {
      const before = readings;
      hint();
      const deadline = Date.now() + 5000;
      while (readings === before && !answers.fails && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 1));
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('the feed of revocations within one process', () => {
  test('gives a revocation once, though it comes again while a transaction of before is under way', async () => {
    const answers = { rows: [row('a', 12n)], watermark: 10n };
    const { listen, given, readAgain } = feedOver(answers);
    await listen();
    await readAgain();
    answers.rows.push(row('late', 11n));
    await readAgain();
    answers.watermark = 13n;
    await readAgain();
    answers.rows.push(row('b', 13n));
    await readAgain();
    expect(given()).toEqual(['a', 'late', 'b']);
  });

  test('says nothing while the database cannot be read, so that no heartbeat goes out, and then goes on', async () => {
    const answers = { rows: [] as LoggedRevocation[], watermark: 1n, fails: false };
    const { listen, news, given, readAgain } = feedOver(answers);
    await listen();
    await readAgain();
    answers.fails = true;
    const before = news.length;
    answers.rows.push(row('a', 1n));
    for (let times = 0; times < 5; times += 1) await readAgain();
    expect(news).toHaveLength(before);
    answers.fails = false;
    await readAgain();
    expect(given()).toEqual(['a']);
  });

  test('lets nobody listen who could miss something: without a position to begin at, subscribing fails', async () => {
    const answers = { rows: [], watermark: 1n, fails: true };
    const { listen } = feedOver(answers);
    await expect(listen()).rejects.toThrow('away');
    answers.fails = false;
    expect(await listen()).toMatchObject({ watermark: 1n });
  });

  test('stops reading when nobody listens, and begins again', async () => {
    const answers = { rows: [] as LoggedRevocation[], watermark: 1n };
    const { listen, given, readAgain } = feedOver(answers);
    for (let times = 0; times < 20; times += 1) (await listen()).unsubscribe();
    await listen();
    answers.rows.push(row('a', 2n));
    await readAgain();
    expect(given()).toEqual(['a']);
  });
});

test('events are written as server-sent events, each with its data in one line', () => {
  const until = new Date('2026-11-21T10:00:00.900Z');
  const revocations = [
    { grantId: 'one\n\nevent: heartbeat', resource: 'r', issuedUntil: undefined },
    { grantId: 'two', resource: 'r', issuedUntil: until },
  ];
  expect(revocationsEvent(revocations, 7n)).toBe(
    'event: revocations\nid: 7\ndata: [{"gid":"one\\n\\nevent: heartbeat"},{"gid":"two","issued_until":1795255200}]\n\n',
  );
  expect(revocationsEvent([])).toBe('event: revocations\ndata: []\n\n');
  expect(heartbeatEvent(9n, until)).toBe('event: heartbeat\nid: 9\ndata: {"time":"2026-11-21T10:00:00.900Z"}\n\n');
});

test.each([
  ['0', 0n],
  ['42', 42n],
  [undefined, undefined],
  ['', undefined],
  ['-1', undefined],
  ['1e3', undefined],
  ['9'.repeat(19), undefined],
])('Last-Event-ID %p means %p', (text, position) => {
  expect(positionOf(text)).toBe(position);
});

describe('HTTP Basic credentials', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  test.each([
    [basic('id:secret'), { id: 'id', secret: 'secret' }],
    [basic('id%3A1:a+b%2B%C3%BC%25'), { id: 'id:1', secret: 'a b+ü%' }],
    [basic('id:a:b'), { id: 'id', secret: 'a:b' }],
    [basic('id:secret').replace('Basic', 'bAsIc'), { id: 'id', secret: 'secret' }],
    [basic('id:'), undefined],
    [basic(':secret'), undefined],
    [basic('id'), undefined],
    [basic('id:%zz'), undefined],
    ['Bearer abc', undefined],
    ['Basic', undefined],
    ['Basic ***', undefined],
    ['', undefined],
  ])('%p', (header, credentials) => {
    expect(basicCredentials(header)).toEqual(credentials);
  });
});
