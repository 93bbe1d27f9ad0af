/** One metric of Prometheus' text form, with the names of the labels that its samples have. */
export type ShownMetric = { name: string; type: string; labels: string[] };

/** All metrics of a text; those without a sample too. */
export function metricsIn(text: string): ShownMetric[] {
  return [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({
    name,
    type,
    labels: labelsIn(metricNamed(text, name)).filter((label) => type !== 'histogram' || label !== 'le'),
  }));
}

/** The lines of one metric. */
export function metricNamed(text: string, name: string): string {
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .join('\n');
}

/** The sum of a metric's samples. */
export function sampleOf(text: string, name: string): number {
  return metricNamed(text, name)
    .split('\n')
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1) || 0), 0);
}

function labelsIn(lines: string): string[] {
  return [...new Set([...lines.matchAll(/[{,](\w+)="/g)].map(([, label = '']) => label))];
}
