/** The colours of one scheme, by what they are for; each a `#rrggbb` string. */
export type Palette = Readonly<
  Record<
    | 'ground'
    | 'surface'
    | 'text'
    | 'quiet'
    | 'line'
    | 'control'
    | 'accent'
    | 'accentStrong'
    | 'onAccent'
    | 'warnGround'
    | 'warnText'
    | 'warnLine'
    | 'problemGround'
    | 'problemText'
    | 'problemLine',
    string
  >
>;

/** Stone and iron by day. */
export const lightPalette: Palette = {
  ground: '#f3f1ec',
  surface: '#ffffff',
  text: '#1b1f24',
  quiet: '#565c65',
  line: '#dedad1',
  control: '#7a7f87',
  accent: '#17594f',
  accentStrong: '#0e413a',
  onAccent: '#ffffff',
  warnGround: '#fdf3dc',
  warnText: '#5b3d05',
  warnLine: '#a8700c',
  problemGround: '#fdeceb',
  problemText: '#861b18',
  problemLine: '#c0332e',
};

/** The same by night. */
export const darkPalette: Palette = {
  ground: '#111315',
  surface: '#1a1d20',
  text: '#ecebe6',
  quiet: '#aeb2b9',
  line: '#33373c',
  control: '#848a93',
  accent: '#7fd0c2',
  accentStrong: '#a6e3d8',
  onAccent: '#06231e',
  warnGround: '#2c2412',
  warnText: '#f3dca6',
  warnLine: '#c9973a',
  problemGround: '#321718',
  problemText: '#ffcdc9',
  problemLine: '#ee8079',
};
