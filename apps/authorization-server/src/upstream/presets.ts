import type { DomainClaim } from '../identities/sign-in-policy.ts';

/** What is known of a service before anybody registers there. Members of the configuration win over it. */
export type UpstreamPreset = Readonly<{
  name: string;
  /** Where its metadata is found; endpoints are given where it publishes none. */
  issuer: string;
  discovery?: 'openid' | 'oauth2';
  /** Whether its answers name it (RFC 9207), where no metadata says so. */
  namesItself?: boolean;
  authorizationEndpoint?: string;
  tokenEndpoint?: string;
  revocation?: Revocation;
  user?: UserEndpoint;
  clientAuthentication?: 'client_secret_basic' | 'client_secret_post';
  /** Asked for in every case: to know who the user is there, and to stay connected. */
  baseScopes: readonly string[];
  authorizationParameters?: Readonly<Record<string, string>>;
  /** Whether each of its tokens has all scopes that its user ever agreed to for this server there. */
  scopesAccumulate?: boolean;
  /** Whether revoking one token ends all that its user gave this server there. */
  revokesAll?: boolean;
  /** What of its own shows that an e-mail address is the organisation's. */
  domainClaim?: DomainClaim;
  /** Common scopes in plain words. */
  scopes: Readonly<Record<string, string>>;
}>;

/** How a token is revoked: as RFC 7009 says, or in the service's own way. */
export type Revocation = Readonly<{ style: 'rfc7009' | 'github' | 'bearer'; endpoint: string }>;

/** Where a service without ID tokens says who the user is, and in which members of its answer. */
export type UserEndpoint = Readonly<{ endpoint: string; id: string; label?: string | undefined }>;

/** Stands for the tenant in the issuer of Microsoft Entra. */
export const TENANT = '{tenant}';

/** The services that need no more than a client id, a secret and the scopes. */
export const UPSTREAM_PRESETS = {
  github: {
    name: 'GitHub',
    issuer: 'https://github.com/login/oauth',
    namesItself: true,
    authorizationEndpoint: 'https://github.com/login/oauth/authorize',
    tokenEndpoint: 'https://github.com/login/oauth/access_token',
    revocation: { style: 'github', endpoint: 'https://api.github.com/applications/{client_id}/token' },
    user: { endpoint: 'https://api.github.com/user', id: 'id', label: 'login' },
    clientAuthentication: 'client_secret_post',
    baseScopes: [],
    scopes: {
      repo: 'Read and change all your repositories, the private ones too',
      public_repo: 'Read and change your public repositories',
      'read:user': 'Read your profile',
      'user:email': 'Read your e-mail addresses',
      'read:org': 'See which organisations and teams you belong to',
      gist: 'Write your gists',
      notifications: 'Read your notifications',
    },
  },
  google: {
    name: 'Google',
    issuer: 'https://accounts.google.com',
    discovery: 'openid',
    baseScopes: ['openid'],
    authorizationParameters: { access_type: 'offline', prompt: 'consent' },
    domainClaim: 'hd',
    revokesAll: true,
    scopes: {
      'https://www.googleapis.com/auth/drive.readonly': 'See and download all your files in Drive',
      'https://www.googleapis.com/auth/drive.file': 'See and change the files in Drive that you open with it',
      'https://www.googleapis.com/auth/calendar.readonly': 'See your calendars',
      'https://www.googleapis.com/auth/calendar.events': 'See and change events in your calendars',
      'https://www.googleapis.com/auth/gmail.readonly': 'Read all your e-mail',
      'https://www.googleapis.com/auth/gmail.send': 'Send e-mail as you',
    },
  },
  entra: {
    name: 'Microsoft',
    issuer: `https://login.microsoftonline.com/${TENANT}/v2.0`,
    discovery: 'openid',
    baseScopes: ['openid', 'profile', 'email', 'offline_access'],
    domainClaim: 'tid',
    scopesAccumulate: true,
    scopes: {
      'User.Read': 'Read your profile',
      'Mail.Read': 'Read your e-mail',
      'Mail.Send': 'Send e-mail as you',
      'Calendars.Read': 'See your calendars',
      'Calendars.ReadWrite': 'See and change your calendars',
      'Files.Read': 'Read your files',
      'Files.ReadWrite': 'Read and change your files',
    },
  },
  gitlab: {
    name: 'GitLab',
    issuer: 'https://gitlab.com',
    discovery: 'openid',
    baseScopes: ['openid'],
    scopes: {
      read_user: 'Read your profile',
      read_api: 'Read everything that you can see there',
      read_repository: 'Read the code of your repositories',
      write_repository: 'Change the code of your repositories',
      api: 'Do everything that you can do there',
    },
  },
  slack: {
    name: 'Slack',
    issuer: 'https://slack.com',
    authorizationEndpoint: 'https://slack.com/oauth/v2_user/authorize',
    tokenEndpoint: 'https://slack.com/api/oauth.v2.user.access',
    revocation: { style: 'bearer', endpoint: 'https://slack.com/api/auth.revoke' },
    user: { endpoint: 'https://slack.com/api/auth.test', id: 'user_id', label: 'user' },
    scopesAccumulate: true,
    clientAuthentication: 'client_secret_post',
    baseScopes: [],
    scopes: {
      'channels:read': 'See which public channels there are',
      'channels:history': 'Read messages in public channels that you are in',
      'search:read': 'Search what you can see there',
      'chat:write': 'Send messages as you',
      'users:read': 'See who is in your workspace',
    },
  },
  atlassian: {
    name: 'Atlassian',
    issuer: 'https://auth.atlassian.com',
    authorizationEndpoint: 'https://auth.atlassian.com/authorize',
    tokenEndpoint: 'https://auth.atlassian.com/oauth/token',
    user: { endpoint: 'https://api.atlassian.com/me', id: 'account_id', label: 'name' },
    clientAuthentication: 'client_secret_post',
    baseScopes: ['read:me', 'offline_access'],
    scopesAccumulate: true,
    authorizationParameters: { audience: 'api.atlassian.com', prompt: 'consent' },
    scopes: {
      'read:jira-work': 'Read your projects and issues in Jira',
      'write:jira-work': 'Create and change issues in Jira as you',
      'read:confluence-content.all': 'Read pages in Confluence that you can see',
      'write:confluence-content': 'Create and change pages in Confluence as you',
    },
  },
} as const satisfies Record<string, UpstreamPreset>;

/** The names of {@link UPSTREAM_PRESETS}. */
export const PRESET_NAMES = [
  'github',
  'google',
  'entra',
  'gitlab',
  'slack',
  'atlassian',
] as const satisfies readonly (keyof typeof UPSTREAM_PRESETS)[];
