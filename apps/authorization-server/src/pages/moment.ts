import { type Html, html } from './html.ts';

const WORDS = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });

/** A moment in words, in UTC: without script a page cannot know the reader's own time. */
export function moment(at: Date): Html {
  return html`<time datetime="${at.toISOString()}">${WORDS.format(at)} UTC</time>`;
}
