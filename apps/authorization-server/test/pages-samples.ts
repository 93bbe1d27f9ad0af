import { accountPage } from '../src/pages/account.ts';
import { type ConnectedApp, connectionsSection } from '../src/pages/account-connections.ts';
import { passwordSection } from '../src/pages/account-password.ts';
import { accountSignInPage, signedOutPage } from '../src/pages/account-sign-in.ts';
import { signInMethodsSection } from '../src/pages/account-sign-in-methods.ts';
import { signInsSection, signOutSection } from '../src/pages/account-sign-ins.ts';
import { newTokenFormPage, newTokenPage, tokensSection } from '../src/pages/account-tokens.ts';
import { confirmationPage, decidedPage } from '../src/pages/confirmation.ts';
import { type ConsentPageInput, consentPage } from '../src/pages/consent.ts';
import type { Page } from '../src/pages/document.ts';
import { errorPage } from '../src/pages/error.ts';
import { linkProblemPage } from '../src/pages/link-problem.ts';
import { type LoginPageInput, loginPage } from '../src/pages/login.ts';
import { passwordDonePage, passwordPage } from '../src/pages/password.ts';
import { setupDonePage, setupPage } from '../src/pages/set-up.ts';

/** A consent request of the plainest kind, to vary. */
export const plainConsent: ConsentPageInput = {
  action: '/interaction/abc',
  formToken: 'form-token',
  clientName: 'Claude Code',
  clientHost: 'claude.ai',
  redirectHost: { kind: 'web', host: 'claude.ai' },
  redirectUri: 'https://claude.ai/api/mcp/auth_callback',
  loopbackOnly: false,
  resourceName: 'Support Desk',
  resourceUrl: 'http://localhost:4001/mcp',
  userEmail: 'ada@example.com',
  scopes: [
    { name: 'desk:read', description: 'Read tickets and customers', sensitive: false },
    { name: 'desk:write', description: 'Reply to tickets as you', sensitive: false },
    { name: 'desk:admin', description: 'Export the whole customer list', sensitive: true },
  ],
};

/** A login request of the plainest kind, to vary. */
export const plainLogin: LoginPageInput = {
  action: '/interaction/abc',
  formToken: 'form-token',
  clientName: 'Claude Code',
  clientHost: 'claude.ai',
  resourceName: 'Support Desk',
  providers: [],
};

const LONG_NAME =
  'The most trustworthy assistant of them all, approved by your own company, so simply allow everything below';

/** An account page with something in every section; `text` replaces each string that others may choose. */
function fullAccount(text: string | undefined): Page {
  const or = (usual: string): string => text ?? usual;
  const form = { action: or('/account/anything'), formToken: or('form-token') };
  const installation = (day: number, lastUsedAt: Date | undefined): ConnectedApp['installations'][number] => ({
    grantId: or('grant'),
    allowedAt: new Date(Date.UTC(2026, 10, day, 9, 5)),
    lastUsedAt,
    disconnect: form,
    narrow: form,
    allowedBy: text,
    resources: [
      {
        url: or('http://localhost:4001/mcp'),
        name: or('Support desk'),
        scopes: plainConsent.scopes.map(({ name, description }) => ({ name: or(name), description: or(description) })),
      },
    ],
  });
  const used = new Date(Date.UTC(2026, 10, 21, 8, 30));
  const apps: ConnectedApp[] = [
    {
      clientId: or('https://claude.ai/oauth/client.json'),
      clientName: or('Claude Code'),
      clientHost: or('claude.ai'),
      installations: [installation(20, used), installation(3, undefined)],
      disconnectApp: form,
    },
    {
      clientId: or('c-2'),
      clientName: or(LONG_NAME),
      clientHost: text,
      installations: [installation(11, used)],
      disconnectApp: form,
    },
  ];
  const method = { providerName: or('Google'), account: or('ada@example.com'), addedAt: used, lastUsedAt: used };
  const providers = [{ key: or('google'), name: or('Google') }];
  const signIn = { browser: or('Firefox on Linux'), address: or('2001:db8:85a3:8d3:1319:8a2e:370:7348'), end: form };
  const moments = { signedInAt: used, lastSeenAt: used };
  return accountPage({
    email: or('ada@example.com'),
    roles: [or('admin'), or('lead')],
    notice: or('Saved. Within minutes, with its next token, the app may do no more than that.'),
    sections: [
      connectionsSection({ apps, disconnectAll: form }),
      tokensSection({
        tokens: [
          {
            name: or('nightly import'),
            isFromAdministrator: true,
            createdAt: used,
            lastUsedAt: undefined,
            expiresAt: used,
            resource: { url: or('http://localhost:4001/mcp'), name: or('Support Desk') },
            scopes: [or('Read tickets and customers')],
            revoke: form,
          },
        ],
        newTokenPath: or('/account/tokens/new'),
      }),
      signInsSection({
        signIns: [
          { ...signIn, ...moments, isThisOne: true },
          { ...signIn, ...moments, isThisOne: false, browser: or('Safari on iPhone') },
        ],
        endOthers: form,
      }),
      signInMethodsSection({ hasPassword: true, methods: [{ ...method, remove: form }], add: { ...form, providers } }),
      passwordSection({ ...form, email: or('ada@example.com'), problem: undefined }),
      signOutSection(form),
    ],
  });
}

/** The form for two servers, one of which was filled in wrongly. */
function newTokenForm(text: string | undefined, hasPassword = true): Page {
  const or = (usual: string): string => text ?? usual;
  const scopes = [
    { name: or('desk:read'), description: or('Read tickets and customers'), ticked: true },
    { name: or('desk:write'), description: or('Reply to tickets as you'), ticked: false },
  ];
  return newTokenFormPage({
    offers: [
      { resource: { url: or('http://localhost:4001/mcp'), name: or('Support Desk') }, scopes },
      { resource: { url: 'https://notes.example/mcp', name: or('Notes') }, scopes },
    ],
    issue: { action: or('/account/tokens'), formToken: or('form-token') },
    email: or('ada@example.com'),
    hasPassword,
    problem: or('A token lasts 1 to 365 days.'),
    draft: { resource: 'https://notes.example/mcp', name: or('nightly'), days: or('400'), scopes: [or('desk:read')] },
    accountPath: or('/account'),
  });
}

/** Every page in every state that looks different, by name; `text` replaces each string that others may choose. */
export function samplePages(text?: string): Record<string, Page> {
  const or = (usual: string): string => text ?? usual;
  const foreignConsent = {
    ...plainConsent,
    action: or('/interaction/abc'),
    formToken: or('form-token'),
    clientName: or(LONG_NAME),
    redirectUri: or('http://127.0.0.1:54545/callback?a-long-query-that-must-wrap=0123456789abcdefghijklmnopqrstuvwxyz'),
    resourceName: or('Support Desk'),
    resourceUrl: or('http://localhost:4001/mcp'),
    userEmail: or('ada@example.com'),
    scopes: plainConsent.scopes.map((scope) => ({
      ...scope,
      name: or(scope.name),
      description: or(scope.description),
      granted: true,
    })),
    problem: or('Tick at least one thing that it may do, or choose Deny.'),
    upstream: {
      name: or('GitHub'),
      scopes: [
        { name: or('repo:read'), description: or('Read your repositories') },
        { name: or('user:email'), description: or('See your e-mail addresses') },
      ],
    },
  };
  const form = { action: or('/account/sign-in'), formToken: or('form-token') };
  const providers = [{ key: or('google'), name: or('Google') }];
  return {
    account: fullAccount(text),
    'account-problem': accountPage({
      email: or('ada@example.com'),
      roles: [],
      problem: or('That is not your present password.'),
      sections: [
        connectionsSection({ apps: [], disconnectAll: form }),
        passwordSection({ ...form, email: or('ada@example.com'), problem: or('That is not your present password.') }),
      ],
    }),
    'account-sign-in': accountSignInPage({ ...form, providers, email: or('ada@example.com'), problem: or('No.') }),
    'new-token-form': newTokenForm(text),
    'new-token-form-without-password': newTokenForm(text, false),
    'new-token': newTokenPage({
      token: or(`pct_${'aB3-'.repeat(12)}x`),
      name: or('nightly import'),
      resource: { url: or('http://localhost:4001/mcp'), name: or('Support Desk') },
      expiresAt: new Date('2026-12-24T09:30:00Z'),
      accountPath: or('/account'),
    }),
    'signed-out': signedOutPage({ accountPath: '/account', disconnected: true }),
    'set-up': setupPage({ formToken: or('form-token') }),
    'set-up-problem': setupPage({
      formToken: or('t'),
      email: or('ada@example.com'),
      problem: or('Choose a password of at least 12 characters.'),
    }),
    'set-up-done': setupDonePage({ email: or('ada@example.com'), mcpUrl: or('http://localhost:4001/mcp') }),
    password: passwordPage({ formToken: or('t'), email: or('grace@example.com') }),
    'password-problem': passwordPage({ formToken: or('t'), email: or('grace@example.com'), problem: or('Too short.') }),
    'password-done': passwordDonePage({ email: or('grace@example.com'), removed: [] }),
    'password-done-accounts-removed': passwordDonePage({
      email: or('grace@example.com'),
      removed: [or('mallory@example.com at https://accounts.example')],
    }),
    login: loginPage(plainLogin),
    'login-unverified': loginPage({ ...plainLogin, clientHost: undefined }),
    'login-problem': loginPage({
      action: or('/interaction/abc'),
      formToken: or('t'),
      clientName: or('Cursor'),
      clientHost: text,
      resourceName: or('Support Desk'),
      providers,
      email: or('ada@example.com'),
      problem: or('That e-mail and password do not go together.'),
    }),
    consent: consentPage(plainConsent),
    'consent-again': consentPage({ ...plainConsent, alreadyGranted: true }),
    'consent-loopback': consentPage({
      ...foreignConsent,
      clientHost: text,
      redirectHost: { kind: 'loopback', host: or('127.0.0.1') },
      loopbackOnly: true,
    }),
    'consent-private-use': consentPage({
      ...foreignConsent,
      clientName: or('Cursor'),
      clientHost: text,
      redirectHost: { kind: 'private-use', scheme: or('cursor') },
      upstream: undefined,
      problem: undefined,
    }),
    'consent-web': consentPage({ ...foreignConsent, redirectHost: { kind: 'web', host: or('example.com') } }),
    'consent-empty': consentPage({ ...plainConsent, scopes: [] }),
    'sign-in-to-confirm': accountSignInPage({
      action: or('/account/sign-in'),
      formToken: or('t'),
      providers,
      confirms: true,
    }),
    confirmation: confirmationPage({
      action: or('/account/confirmations/abc'),
      formToken: or('t'),
      askedBy: { kind: 'app', name: or('Claude Code'), host: text ?? 'claude.ai' },
      resource: { name: or('Support desk'), url: or('http://localhost:4001/mcp') },
      tool: { name: or('export_customers'), title: or('Export customers') },
      arguments: { limit: 100, [or('after')]: or('C-7'), nested: { list: [or('one'), 2] }, empty: '' },
      userEmail: or('ada@example.com'),
      askedAt: new Date(Date.UTC(2026, 10, 26, 9, 5)),
      expiresAt: new Date(Date.UTC(2026, 10, 26, 9, 15)),
    }),
    'confirmation-unverified': confirmationPage({
      action: or('/account/confirmations/abc'),
      formToken: or('t'),
      askedBy: { kind: 'app', name: or(LONG_NAME), host: text },
      resource: { name: or('Support desk'), url: or('http://localhost:4001/mcp') },
      tool: { name: or('export_customers'), title: or('Export customers') },
      arguments: {},
      userEmail: or('ada@example.com'),
      askedAt: new Date(Date.UTC(2026, 10, 26, 9, 5)),
      expiresAt: new Date(Date.UTC(2026, 10, 26, 9, 15)),
    }),
    'confirmation-token': confirmationPage({
      action: or('/account/confirmations/abc'),
      formToken: or('t'),
      askedBy: { kind: 'token', name: or('editor') },
      resource: { name: or('Support desk'), url: or('http://localhost:4001/mcp') },
      tool: { name: or('export_customers'), title: or('Export customers') },
      arguments: {},
      userEmail: or('ada@example.com'),
      askedAt: new Date(Date.UTC(2026, 10, 26, 9, 5)),
      expiresAt: new Date(Date.UTC(2026, 10, 26, 9, 15)),
    }),
    'confirmation-approved': decidedPage('approved'),
    'confirmation-denied': decidedPage('denied'),
    'confirmation-used': decidedPage('used'),
    error: errorPage({
      status: 400,
      title: or('This app is not known here any more'),
      explanation: or(
        'The app that sent you here is no longer registered, perhaps because it was not used for a long time.',
      ),
      advice: [
        or('In Claude Code: choose “Clear authentication” for this server in /mcp, then connect again.'),
        or('In other apps: remove the server and add it again.'),
      ],
      correlationId: or('01JD8Z6X4C9T7Q2M5K3B'),
    }),
    'error-onwards': errorPage({
      status: 400,
      title: or('This sign-in cannot go on'),
      explanation: or("The app's request was refused."),
      continueTo: { url: 'https://example.com/callback?error=x', target: { kind: 'web', host: or('example.com') } },
      correlationId: or('01JD8Z6X4C'),
    }),
    'error-bare': errorPage({
      status: 500,
      title: or('Something went wrong'),
      explanation: or('It is our fault, not yours.'),
      correlationId: or('01JD8Z6X4C'),
    }),
    'link-set-up': linkProblemPage({ purpose: 'set-up', correlationId: or('01JD8Z6X4C') }),
    'link-password': linkProblemPage({ purpose: 'password', correlationId: or('01JD8Z6X4C') }),
  };
}
