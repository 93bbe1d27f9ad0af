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
      return typeof value === 'string' ? value : undefined;
    },
    all(name) {
      const value = field(name);
      if (typeof value === 'string') return [value];
      return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
    },
  };
}
