import { randomBytes } from 'node:crypto';

/**
 * Ids that sort by time, and within a millisecond in the order of one process's calls:
 * 12 hexadecimal digits of milliseconds, 4 of a counter, 16 of chance.
 */
export function timeOrderedIds(): (time: Date) => string {
  let lastMs = 0;
  let counter = 0;
  return (time) => {
    const ms = time.getTime();
    counter = ms === lastMs ? (counter + 1) & 0xffff : 0;
    lastMs = ms;
    return `${hexadecimal(ms, 12)}${hexadecimal(counter, 4)}${randomBytes(8).toString('hex')}`;
  };
}

function hexadecimal(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
