import { jest } from '@jest/globals';

/** The clock of the machine, as this test and every server in its process see it: the engine asks no other one. */
export type MachineClock = {
  /** Moves it on. Between two moves it stands still. */
  pass(seconds: number): void;
  release(): void;
};

/** Takes hold of the clock; timers run as they do. */
export function holdMachineClock(): MachineClock {
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
