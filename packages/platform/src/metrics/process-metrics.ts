import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What a gauge shows when it is read: one value, one for each value of its label, or nothing. */
type Measured = number | Readonly<Record<string, number>> | undefined;

/** Makes metrics. Labels take their values from bounded sets: never a URL, a client or a person. */
export type Meter = {
  counter<Label extends string>(name: string, help: string, labelNames?: readonly Label[]): Counter<Label>;
  /** One with a single label, which begins at 0 for each of its values: else the very first one is no increase. */
  counterOf<Label extends string>(o: {
    name: string;
    help: string;
    label: Label;
    values: readonly string[];
  }): Counter<Label>;
  /** In seconds, from one millisecond to ten seconds. */
  histogram<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Histogram<Label>;
  /** Is measured when it is read, for two seconds at most; what fails shows nothing. */
  gauge(o: { name: string; help: string; label?: string; measure(): Promise<Measured> | Measured }): void;
};

/** What one server counts and measures. */
export type ProcessMetrics = Meter & {
  /** Adds what Node.js tells about its process: processor, memory, event loop, garbage collection. */
  addProcess(): void;
  /** All of it in Prometheus' text form. */
  text(): Promise<string>;
  contentType: string;
};

const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const MEASURE_MS = 2000;

/** Metrics for one server, apart from those of any other in the same process. */
export function createProcessMetrics(): ProcessMetrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    counter: (name, help, labelNames = []) => new Counter({ name, help, labelNames, registers }),
    counterOf({ name, help, label, values }) {
      const counter = new Counter({ name, help, labelNames: [label], registers });
      for (const value of values) counter.labels(value).inc(0);
      return counter;
    },
    histogram: (name, help, labelNames) =>
      new Histogram({ name, help, labelNames, buckets: BUCKETS_SECONDS, registers }),
    gauge({ name, help, label, measure }) {
      new Gauge({
        name,
        help,
        labelNames: label === undefined ? [] : [label],
        registers,
        async collect() {
          const measured = await withinTime(measure);
          this.reset();
          if (typeof measured === 'number') this.set(measured);
          else if (label !== undefined)
            for (const [of, value] of Object.entries(measured ?? {})) this.set({ [label]: of }, value);
          // A gauge without labels has a value unless it is taken away.
          else this.remove();
        },
      });
    },
    addProcess: () => collectDefaultMetrics({ register: registry }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

async function withinTime(measure: () => Promise<Measured> | Measured): Promise<Measured> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, MEASURE_MS, undefined);
  });
  try {
    return await Promise.race([measure(), late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
