import { statSync } from 'node:fs';

/** Suites that take minutes at full rounds, though their files are small. */
const LONGEST = [/\/refresh-volume\./, /\/stack\/crash-/, /\/stack\/race-/, /\/stack\/master-key-rotation\./];

/** Begins with what takes longest, so that no worker is left with it at the end; large files before small ones. */
export default class LongestFirst {
  sort(tests) {
    const rank = ({ path }) => {
      const place = LONGEST.findIndex((suite) => suite.test(path));
      return place < 0 ? LONGEST.length : place;
    };
    return [...tests].sort((a, b) => rank(a) - rank(b) || statSync(b.path).size - statSync(a.path).size);
  }

  shard(tests, { shardIndex, shardCount }) {
    return this.sort(tests).filter((_, index) => index % shardCount === shardIndex - 1);
  }

  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
}
