import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { assets, markAsset, stylesheetAsset } from '../src/pages/assets.ts';
import { consentPage } from '../src/pages/consent.ts';
import { type Page, renderDocument } from '../src/pages/document.ts';
import { foreignName, plainText } from '../src/pages/foreign-text.ts';
import { html } from '../src/pages/html.ts';
import { linkProblemPage } from '../src/pages/link-problem.ts';
import { loginPage } from '../src/pages/login.ts';
import { darkPalette, lightPalette, type Palette } from '../src/pages/palette.ts';
import { stylesheet } from '../src/pages/stylesheet.ts';
import { plainConsent, plainLogin, samplePages } from './pages-samples.ts';

const ATTACKS = [
  '"><script>alert(1)</script>',
  "' onfocus='alert(1)' autofocus='",
  '</title></head><body onload=alert(1)>',
  '<img src=x onerror=alert(1)>',
  '--><svg/onload=alert(1)>',
  '&quot;&gt;&lt;script&gt;alert(1)',
];

const pageNames = Object.keys(samplePages());

/** Every tag of a document with the names of its attributes: what an attack on escaping would change. */
function skeleton(page: Page | undefined): string[] {
  return (documentOf(page).match(/<[^>]*>/g) ?? []).map((tag) => tag.replace(/"[^"]*"/g, '""'));
}

function documentOf(page: Page | undefined): string {
  if (page === undefined) throw new Error('There is no such sample page');
  return renderDocument(page);
}

/** The attributes of each start tag of one element. */
function elements(markup: string, element: string): Record<string, string>[] {
  return (markup.match(new RegExp(`<${element}\\b[^>]*>`, 'g')) ?? []).map((tag) =>
    Object.fromEntries(
      Array.from(tag.matchAll(/\s([a-z-]+)(?:="([^"]*)")?/g), ([, name, value]) => [name ?? '', value ?? '']),
    ),
  );
}

describe('markup', () => {
  test('escapes every value, also inside quoted attributes', () => {
    expect(html`<a title="${`"'`}">${'<b>&'}</a>`.toString()).toBe('<a title="&quot;&#39;">&lt;b&gt;&amp;</a>');
  });

  test('takes markup and lists of markup as they are, and nothing for what is absent', () => {
    expect(html`${[html`<i>${'<'}</i>`, html`<b></b>`]}${undefined}${false}${0}`.toString()).toBe(
      '<i>&lt;</i><b></b>0',
    );
  });

  test('does not take an object that only looks like markup', () => {
    const forged = { toString: () => '<script>' } as unknown as string;
    expect(html`<p>${forged}</p>`.toString()).not.toContain('<script');
  });

  test('refuses a value where an attribute has no quotes', () => {
    expect(() => html`<a title=${'x'}></a>`).toThrow(TypeError);
  });
});

describe('every page', () => {
  test.each(pageNames)('%s: no text that others choose becomes markup', (name) => {
    const usual = skeleton(samplePages('text')[name]);
    for (const attack of ATTACKS) expect(skeleton(samplePages(attack)[name])).toEqual(usual);
  });

  test.each(pageNames)('%s: has no script, no inline style and nothing from elsewhere', (name) => {
    const document = documentOf(samplePages()[name]);
    expect(document).not.toMatch(/<script|<style|<iframe|<object|<base|javascript:/i);
    expect(document).not.toMatch(/<[^>]*\s(style|on[a-z]+)=/i);
    // A link loads nothing before somebody follows it.
    const loading = document.replaceAll(/<a [^>]*>/g, '');
    for (const [, target] of loading.matchAll(/(?:src|href)="([^"]*)"/g)) expect(target).toMatch(/^\/assets\//);
  });

  test.each(pageNames)('%s: says its language, its title, one heading, one main part', (name) => {
    const document = documentOf(samplePages()[name]);
    expect(document).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(document).toMatch(/<title>[^<]{4,} – Portcullis<\/title>/);
    for (const once of [/<h1>/g, /<main>/g, /<header>/g]) expect(document.match(once)).toHaveLength(1);
  });

  test.each(pageNames)('%s: every control has a label, and every description exists', (name) => {
    const document = documentOf(samplePages()[name]);
    const labels = elements(document, 'label').map((label) => label.for);
    const ids = Array.from(document.matchAll(/\sid="([^"]*)"/g), ([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const input of elements(document, 'input')) {
      const isLabelled = input.type === 'hidden' || input.type === 'checkbox' || input['aria-label'] !== undefined;
      if (!isLabelled) expect(labels).toContain(input.id);
    }
    for (const [, references] of document.matchAll(/aria-(?:describedby|labelledby)="([^"]*)"/g)) {
      for (const id of references?.split(' ') ?? []) expect(ids).toContain(id);
    }
  });

  test('has a problem read out at once and tied to its fields', () => {
    const document = documentOf(samplePages()['login-problem']);
    expect(document).toMatch(/<title>Problem: /);
    expect(elements(document, 'div').find((div) => div.role === 'alert')).toMatchObject({
      id: 'problem',
      autofocus: '',
    });
    expect(elements(document, 'input').filter((input) => input['aria-describedby'] === 'problem')).toHaveLength(2);
  });
});

describe('form contract', () => {
  const contracts: [string, { fields: string[]; buttons: string[]; action: string | undefined }][] = [
    ['set-up', { fields: ['form_token', 'email', 'password'], buttons: [], action: undefined }],
    ['password', { fields: ['form_token', 'password'], buttons: [], action: undefined }],
    [
      'login',
      { fields: ['form_token', 'email', 'password'], buttons: ['login', 'cancel'], action: '/interaction/abc' },
    ],
    [
      'consent',
      { fields: ['form_token', 'scope', 'scope', 'scope'], buttons: ['deny', 'approve'], action: '/interaction/abc' },
    ],
  ];

  test.each(contracts)('%s', (name, contract) => {
    const document = documentOf(samplePages()[name]);
    expect(elements(document, 'form')).toEqual([expect.objectContaining({ method: 'post' })]);
    expect(elements(document, 'form')[0]?.action).toBe(contract.action);
    const names = elements(document, 'input').map((input) => input.name);
    expect(names.filter((field) => field !== undefined)).toEqual(contract.fields);
    const buttons = elements(document, 'button').filter((button) => button.name === 'action');
    expect(buttons.map((button) => button.value)).toEqual(contract.buttons);
  });

  test('password managers are told what each field is for', () => {
    const autocomplete = (name: string) =>
      elements(documentOf(samplePages()[name]), 'input').map((input) => input.autocomplete);
    expect(autocomplete('login')).toEqual(['off', 'username', 'current-password']);
    expect(autocomplete('set-up')).toEqual(['off', 'username', 'new-password']);
    expect(autocomplete('password')).toEqual(['off', 'username', 'new-password']);
  });

  test('a cancelled sign-in needs no filled fields', () => {
    const cancel = elements(documentOf(samplePages().login), 'button').find((button) => button.value === 'cancel');
    expect(cancel).toHaveProperty('formnovalidate');
  });
});

describe('consent', () => {
  const ticked = (page: Page) =>
    elements(page.body.toString(), 'input')
      .filter((input) => 'checked' in input)
      .map((input) => input.value);

  test('ticks every scope to begin with, except sensitive ones', () => {
    expect(ticked(consentPage(plainConsent))).toEqual(['desk:read', 'desk:write']);
  });

  test('leaves a sensitive scope unticked even when it was granted before', () => {
    const scopes = plainConsent.scopes.map((scope) => ({ ...scope, granted: true }));
    expect(ticked(consentPage({ ...plainConsent, scopes }))).toEqual(['desk:read', 'desk:write']);
  });

  test('shows an earlier choice again as it was made', () => {
    expect(ticked(consentPage({ ...plainConsent, selected: [] }))).toEqual([]);
    expect(ticked(consentPage({ ...plainConsent, selected: ['desk:admin'] }))).toEqual(['desk:admin']);
  });

  test('PX-4 and AS-33: names the client, and its host or the word “unverified”', () => {
    expect(textOf(consentPage(plainConsent))).toContain('Claude Code wants to use Support Desk as you');
    expect(textOf(consentPage(plainConsent))).toContain('App from claude.ai');
    expect(textOf(consentPage(plainConsent))).not.toContain('unverified');
    expect(textOf(consentPage({ ...plainConsent, clientHost: undefined }))).toContain('App from unverified');
    expect(textOf(loginPage(plainLogin))).toContain('Claude Code (claude.ai)');
    expect(textOf(loginPage({ ...plainLogin, clientHost: undefined }))).toContain('Claude Code (unverified)');
  });

  test('AS-31 and PX-6: shows where the access goes, in plain words and in full', () => {
    const goesTo = (redirectHost: typeof plainConsent.redirectHost) =>
      textOf(consentPage({ ...plainConsent, redirectHost }));
    expect(goesTo({ kind: 'web', host: 'example.com' })).toContain('Access goes to example.com');
    expect(goesTo({ kind: 'loopback', host: '127.0.0.1' })).toContain('Access goes to this computer (127.0.0.1)');
    expect(goesTo({ kind: 'private-use', scheme: 'cursor' })).toContain(
      'Access goes to the app registered for cursor: on this device',
    );
    expect(textOf(consentPage(plainConsent))).toContain(plainConsent.redirectUri);
  });

  test('AS-32: warns when any local program could have asked', () => {
    const question = 'Did you start this yourself?';
    expect(textOf(consentPage(plainConsent))).not.toContain(question);
    expect(textOf(consentPage({ ...plainConsent, loopbackOnly: true }))).toContain(
      `${question} Any program on this computer`,
    );
    const privateUse = consentPage({ ...plainConsent, redirectHost: { kind: 'private-use', scheme: 'cursor' } });
    expect(textOf(privateUse)).toContain(`${question} Any app on this device`);
  });

  test('PX-5: names the third party and each scope asked for there', () => {
    const upstream = { name: 'GitHub', scopes: [{ name: 'repo:read', description: 'Read your repositories' }] };
    const text = textOf(consentPage({ ...plainConsent, upstream }));
    expect(text).toContain('It also reaches your account at GitHub');
    expect(text).toContain('Read your repositories repo:read');
  });
});

describe('text that strangers choose', () => {
  test('cannot hide, reorder or break lines', () => {
    for (const hidden of [
      '\u0000',
      '\u001b',
      '\u202e',
      '\u2066',
      '\u200b',
      '\ufeff',
      '\u2060',
      '\u{e0041}',
      '\u3164',
      '\ud800',
    ]) {
      expect(plainText(`Cla${hidden}ude`)).toMatch(/^Cla[\ufffd ]ude$/);
    }
    expect(plainText(' Claude\r\n\u2028Code\t ')).toBe('Claude Code');
  });

  test('keeps what real names need', () => {
    for (const name of ['Zoë’s app', 'می‌خواهم', '👩‍💻 dev', '日本語', 'العربية']) expect(plainText(name)).toBe(name);
  });

  test('cannot paint over its neighbours with heaped marks', () => {
    expect(plainText(`Z${'\u0301'.repeat(50)}`)).toBe(`Z${'\u0301'.repeat(3)}`);
  });

  test('as a name is set apart from our words, and cut', () => {
    expect(foreignName('Claude Code').toString()).toBe('<bdi class="name">Claude Code</bdi>');
    expect(foreignName('👩‍💻'.repeat(61)).toString()).toBe(`<bdi class="name">${'👩‍💻'.repeat(60)}…</bdi>`);
  });

  test('as a name is never invisible', () => {
    for (const name of ['', '  ', '\u200b', '\u3164\u2800', '\u200d']) {
      expect(foreignName(name).toString()).toBe('an app without a name');
    }
  });
});

test('a dead link of either kind says how to get another', () => {
  expect(textOf(linkProblemPage({ purpose: 'set-up', correlationId: 'c-1' }))).toMatch(
    /Restart it and open the link.* c-1/,
  );
  expect(textOf(linkProblemPage({ purpose: 'password', correlationId: 'c-1' }))).toMatch(
    /Ask your administrator.* c-1/,
  );
});

describe('assets', () => {
  test('carry a hash of their body in their path', () => {
    for (const { path, body } of assets) {
      expect(path).toContain(createHash('sha256').update(body).digest('hex').slice(0, 16));
    }
  });

  test('are referred to below the path of the issuer', () => {
    const document = renderDocument(consentPage(plainConsent), '/auth');
    expect(document).toContain(`href="/auth${stylesheetAsset.path}"`);
    expect(document).toContain(`src="/auth${markAsset.path}"`);
  });

  test('load nothing and move nothing', () => {
    expect(stylesheet).not.toMatch(/url\(|@import|@font-face|transition|animation/);
    expect(markAsset.body).not.toMatch(/<script|<style|style=|href|\son[a-z]+=/i);
  });
});

describe('colours', () => {
  const atLeast = { text: 4.5, shape: 3 };
  const pairs: [keyof Palette, keyof Palette, keyof typeof atLeast][] = [
    ['text', 'ground', 'text'],
    ['text', 'surface', 'text'],
    ['quiet', 'ground', 'text'],
    ['quiet', 'surface', 'text'],
    ['accent', 'surface', 'text'],
    ['onAccent', 'accent', 'text'],
    ['onAccent', 'accentStrong', 'text'],
    ['warnText', 'warnGround', 'text'],
    ['problemText', 'problemGround', 'text'],
    ['control', 'surface', 'shape'],
    ['control', 'ground', 'shape'],
    ['accent', 'ground', 'shape'],
    ['warnLine', 'surface', 'shape'],
    ['warnLine', 'warnGround', 'shape'],
    ['problemLine', 'surface', 'shape'],
    ['problemLine', 'problemGround', 'shape'],
  ];

  test.each(pairs)('%s on %s is readable by day and by night', (front, back, kind) => {
    for (const palette of [lightPalette, darkPalette]) {
      expect(contrast(palette[front], palette[back])).toBeGreaterThanOrEqual(atLeast[kind]);
    }
  });
});

function textOf(page: Page): string {
  return page.body
    .toString()
    .replace(/<\/?(bdi|strong|span)\b[^>]*>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
}

/** Contrast ratio of two colours, 1 to 21, by WCAG 2.2. */
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const share = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
