const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Markup that is safe to send as it stands; only {@link html} makes one, so that text cannot pose as markup. */
export class Html {
  readonly #markup: string;

  private constructor(markup: string) {
    this.#markup = markup;
  }

  /**
   * Builds markup from a template; used through {@link html}.
   *
   * @throws TypeError when a value stands right after `=`, where escaping cannot protect an unquoted attribute.
   */
  static fromTemplate(literals: TemplateStringsArray, values: readonly HtmlValue[]): Html {
    const parts = literals.map((literal, index) => {
      if (index === values.length) return literal;
      if (literal.trimEnd().endsWith('=')) throw new TypeError('An attribute value must stand in quotes');
      return literal + escaped(values[index]);
    });
    return new Html(parts.join(''));
  }

  /** Returns the markup. */
  toString(): string {
    return this.#markup;
  }
}

/** What may stand in a template: markup as it is, text that gets escaped, or nothing (`undefined`, `false`). */
export type HtmlValue = Html | readonly Html[] | string | number | undefined | false;

/**
 * Template tag for markup: every value is escaped, except {@link Html} and lists of it.
 * It does not judge URLs or element names: never put a value there that others choose.
 *
 * @throws TypeError when a value stands where an attribute value lacks its quotes.
 */
export function html(literals: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return Html.fromTemplate(literals, values);
}

function escaped(value: HtmlValue): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.toString();
  if (Array.isArray(value)) return value.map((item: Html) => escaped(item)).join('');
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
