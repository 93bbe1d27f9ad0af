type Token = Readonly<{ literal: string }> | Readonly<{ expression: 'segment' | 'anything' }>;

const LIMIT_CHARACTERS = 4096;

/**
 * Whether a URI can have come from a URI template. Wider than an expansion, never narrower: `{x}` covers everything up
 * to the next slash, and every other expression covers anything.
 *
 * Takes time in proportion to the template and the URI, whatever they are. A URI over 4096 characters never matches.
 *
 * @see RFC 6570
 */
export function matchesTemplate(template: string, uri: string): boolean {
  if (uri.length > LIMIT_CHARACTERS) return false;
  const tokens = tokensOf(template);
  // All places in the template that the URI read so far can have brought us to.
  let places = skippingExpressions(new Set([0]), tokens);
  for (const character of uri) {
    const next = new Set<number>();
    for (const place of places) {
      const token = tokens[place];
      if (token === undefined) continue;
      if ('literal' in token) {
        if (token.literal === character) next.add(place + 1);
      } else if (token.expression === 'anything' || character !== '/') next.add(place);
    }
    if (next.size === 0) return false;
    places = skippingExpressions(next, tokens);
  }
  return places.has(tokens.length);
}

/** An expression may stand for nothing, so whoever is before it is also behind it. */
function skippingExpressions(places: Set<number>, tokens: readonly Token[]): Set<number> {
  for (const place of places) {
    const token = tokens[place];
    if (token !== undefined && 'expression' in token) places.add(place + 1);
  }
  return places;
}

function tokensOf(template: string): Token[] {
  return template.split(/(\{[^{}]*\})/).flatMap((part): Token[] => {
    if (!/^\{.*\}$/.test(part)) return [...part].map((literal) => ({ literal }));
    return [{ expression: /^\{[\w.]+\}$/.test(part) ? 'segment' : 'anything' }];
  });
}
