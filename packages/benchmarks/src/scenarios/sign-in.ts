import { createPerson, type PersonSettings } from './person.ts';
import type { Scenario } from './scenario.ts';

/** Pages that are opened at the same time before the passwords are sent. */
const OPENED_AT_ONCE = 8;

/** Signing in with a password and no more, each time in a browser that the server has not seen; its page is open before. */
export function signIns(person: PersonSettings): Scenario {
  let opened: (() => Promise<void>)[] = [];
  return {
    async prepare(steps) {
      opened = [];
      while (opened.length < steps) {
        const more = Math.min(OPENED_AT_ONCE, steps - opened.length);
        opened.push(...(await Promise.all(Array.from({ length: more }, () => createPerson(person).openSignIn()))));
      }
    },
    async step(nth) {
      const submit = opened[nth];
      if (submit === undefined) throw new Error(`there is no page for step ${nth}`);
      await submit();
    },
  };
}
