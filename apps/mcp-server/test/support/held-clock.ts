import { jest } from '@jest/globals';

/** The clock of the machine, as everything in this process sees it; timers run as they do. */
export type HeldClock = {
  /** Moves it on. Between two moves it stands still. */
  pass(seconds: number): void;
  release(): void;
};

/** Takes hold of the clock: the limiter asks no other one. */
export function holdClock(): HeldClock {
  jest.useFakeTimers({
    doNotFake: [
      ...(['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const),
      ...(['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const),
    ],
  });
  return {
    pass: (seconds) => void jest.setSystemTime(Date.now() + seconds * 1000),
    release: () => void jest.useRealTimers(),
  };
}
