import type { Context } from 'koa';

/** The fields of a posted form; every one is optional and untrusted. */
export type Form = {
  /** The value of a field that was sent once. */
  text(name: string): string | undefined;
  /** All values of a field, such as the ticked boxes. */
  all(name: string): string[];
};

/** Reads the form that the body parser left. */
export function formOf(ctx: Context): Form {
  const body: unknown = ctx.request.body;
  const field = (name: string): unknown =>
    typeof body === 'object' && body !== null && Object.hasOwn(body, name) ? Reflect.get(body, name) : undefined;
  return {
    text(name) {
      const value = field(name);
      return typeof value === 'string' ? withoutNull(value) : undefined;
    },
    all(name) {
      const value = field(name);
      const values: unknown[] = Array.isArray(value) ? value : [value];
      return values.filter((entry) => typeof entry === 'string').map(withoutNull);
    },
  };
}

/** No browser's form holds U+0000, and PostgreSQL refuses it in text; it becomes what an HTML parser makes of it. */
function withoutNull(text: string): string {
  return text.replaceAll('\0', '\u{fffd}');
}
