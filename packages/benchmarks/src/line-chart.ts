import type { LineChart } from './benchmark-case.ts';

const WIDTH = 860;
const HEIGHT = 320;
const LEFT = 60;
const RIGHT = 20;
const TOP = 40;
const BOTTOM = 46;
const COLOURS = ['#4a6fa5', '#a5574a', '#5a8f4a', '#7a5aa5'];

/** A chart as SVG: a line for each thing over time, both axes from zero on. */
export function lineSvgOf({ title, unit, time, lines }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const longest = Math.max(...points.map(([moment]) => moment), Number.MIN_VALUE);
  const most = Math.max(...points.map(([, value]) => value), Number.MIN_VALUE) * 1.1;
  const x = (moment: number) => (LEFT + (moment / longest) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value: number) => (HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(share * most)}" y2="${y(share * most)}" stroke="#ddd"/>`,
    `<text x="${LEFT - 6}" y="${y(share * most)}" text-anchor="end" dominant-baseline="middle">${(share * most).toFixed(0)}</text>`,
    `<text x="${x(share * longest)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${(share * longest).toFixed(1)}</text>`,
  ]);
  const drawn = lines.flatMap(({ name, points: own }, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const path = own.map(([moment, value]) => `${x(moment)},${y(value)}`).join(' ');
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
      `<text x="${LEFT + 12 + index * 220}" y="${HEIGHT - 8}" fill="${colour}">${name}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${title} (${unit}, over ${time})</title>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="12" y="22" font-size="14" font-weight="bold">${title} (${unit}, over ${time})</text>`,
    ...grid,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}
