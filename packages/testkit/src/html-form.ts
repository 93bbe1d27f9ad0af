import type { HTMLElement } from 'node-html-parser';
import { parse } from 'node-html-parser';

/** A form of a page, as a browser would send it. */
export type HtmlForm = {
  method: string;
  /** Absolute. */
  action: URL;
  /** What a browser sends when nobody touches anything: every field, and each box that is ticked. */
  defaults: [string, string][];
  /** Name and value of each submit button that has a name. */
  buttons: [string, string][];
  /** Value of each checkbox, by name, and whether it is ticked to begin with. */
  checkboxes: { name: string; value: string; isTicked: boolean }[];
};

/** The forms of an HTML page that came from `pageUrl`. */
export function readForms(pageUrl: URL, html: string): HtmlForm[] {
  return parse(html)
    .querySelectorAll('form')
    .map((form) => readForm(pageUrl, form));
}

function readForm(pageUrl: URL, form: HTMLElement): HtmlForm {
  const inputs = form.querySelectorAll('input').filter((input) => input.getAttribute('name'));
  const checkboxes = inputs
    .filter((input) => input.getAttribute('type') === 'checkbox')
    .map((input) => ({
      name: nameOf(input),
      value: input.getAttribute('value') ?? 'on',
      isTicked: input.hasAttribute('checked'),
    }));
  const fields = inputs
    .filter((input) => !['checkbox', 'submit'].includes(input.getAttribute('type') ?? ''))
    .map((input): [string, string] => [nameOf(input), input.getAttribute('value') ?? '']);
  const ticked = checkboxes.filter((box) => box.isTicked).map((box): [string, string] => [box.name, box.value]);
  return {
    method: (form.getAttribute('method') ?? 'get').toUpperCase(),
    action: new URL(form.getAttribute('action') || pageUrl.href, pageUrl),
    defaults: [...fields, ...ticked],
    buttons: form
      .querySelectorAll('button')
      .filter((button) => button.getAttribute('name'))
      .map((button): [string, string] => [nameOf(button), button.getAttribute('value') ?? '']),
    checkboxes,
  };
}

function nameOf(element: HTMLElement): string {
  return element.getAttribute('name') ?? '';
}
