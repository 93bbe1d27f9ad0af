import type { BarChart } from './benchmark-case.ts';

const WIDTH = 860;
const LABEL_WIDTH = 330;
const VALUE_WIDTH = 90;
const ROW_HEIGHT = 26;
const TOP = 40;

/** A chart as SVG: bars from zero on, a line over the range of the middle half, and the figure itself. */
export function svgOf({ title, unit, bars }: BarChart): string {
  const most = Math.max(...bars.map(({ upper }) => upper).filter(Number.isFinite), Number.MIN_VALUE);
  const x = (value: number) => LABEL_WIDTH + (value / most) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH);
  const rows = bars.map(({ name, median, lower, upper }, index) => {
    if (!Number.isFinite(median)) return '';
    const y = TOP + index * ROW_HEIGHT;
    const middle = y + 9;
    return [
      `<text x="${LABEL_WIDTH - 8}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${round(x(median) - LABEL_WIDTH)}" height="18" fill="#4a6fa5"/>`,
      `<line x1="${round(x(lower))}" x2="${round(x(upper))}" y1="${middle}" y2="${middle}" stroke="#222" stroke-width="1.5"/>`,
      `<text x="${round(x(Math.max(median, upper)) + 6)}" y="${y + 13}">${figure(median)}</text>`,
    ].join('');
  });
  const height = TOP + bars.length * ROW_HEIGHT + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(`${title} (${unit})`)}</title>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="12" y="22" font-size="14" font-weight="bold">${escaped(`${title} (${unit})`)}</text>`,
    ...rows.filter((row) => row !== ''),
    '</svg>',
    '',
  ].join('\n');
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function round(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
