import { type Html, html } from './html.ts';

const LONGEST_NAME = 60;
const REPLACEMENT = '\u{FFFD}';

/** Controls, formatting and bidirectional characters, line separators, unpaired surrogates, and letters that look like nothing. */
const INVISIBLE = /(?![\u{200C}\u{200D}])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u{115F}\u{1160}\u{2800}\u{3164}\u{FFA0}]/gu;

/** More than three marks on one letter paint over the lines above and below. */
const HEAPED_MARKS = /(\p{M}{3})\p{M}+/gu;

/**
 * Makes text that a stranger chose harmless to the eye: no character in it hides, reorders or breaks a line.
 * It does not escape markup; {@link html} does that.
 */
export function plainText(text: string): string {
  return text.replace(/\s+/gu, ' ').replace(INVISIBLE, REPLACEMENT).replace(HEAPED_MARKS, '$1').trim();
}

/** Shows a text that a stranger chose, apart from the direction of the text around it. */
export function foreignText(text: string): Html {
  return html`<bdi>${plainText(text)}</bdi>`;
}

/**
 * Shows a name that a stranger chose, in bold and cut after 60 characters, so that it can neither pass for
 * our own words nor push them off the page. A name with nothing to see becomes “an app without a name”.
 */
export function foreignName(name: string): Html {
  const shown = shortened(plainText(name));
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(shown.replaceAll(REPLACEMENT, ''))) return html`an app without a name`;
  return html`<bdi class="name">${shown}</bdi>`;
}

function shortened(name: string): string {
  // What people see as one character is one code unit or more.
  if (name.length <= LONGEST_NAME) return name;
  const characters = Array.from(new Intl.Segmenter('en').segment(name), ({ segment }) => segment);
  if (characters.length <= LONGEST_NAME) return name;
  return `${characters.slice(0, LONGEST_NAME).join('').trimEnd()}…`;
}
