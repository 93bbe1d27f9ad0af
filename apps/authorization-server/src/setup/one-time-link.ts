import type { OneTimeLinkStore } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import { sendPage } from '../http/send-page.ts';
import { linkProblemPage } from '../pages/link-problem.ts';
import { pageUrl, type Site } from '../site.ts';

/** How long a one-time link lives, in seconds. */
const LINK_TTL_SECONDS = 3600;

/** 256 bits in base64url. */
const LINK_TOKEN = /^[\w-]{43}$/;

/** What a link is for; also the path of its page. */
export type LinkPurpose = 'setup' | 'password';

/** What following a link needs. */
export type LinkDeps = { site: Site; links: OneTimeLinkStore; clock: Clock };

/** A link that still works. */
export type LiveLink = { token: string; userId: string | undefined };

/** Makes a link; the only place where its token is readable. Write it to the person, never to a log. */
export async function issueLink(
  purpose: LinkPurpose,
  { site, links, clock, userId }: LinkDeps & { userId?: string },
): Promise<string> {
  const token = await links.issue({
    purpose,
    now: clock(),
    ttlSeconds: LINK_TTL_SECONDS,
    ...(userId !== undefined && { userId }),
  });
  return `${pageUrl(site, `/${purpose}`)}?token=${token}`;
}

/**
 * Moves the token of a followed link into a cookie, so that it stands in no address bar, history or referrer. What is no
 * token is refused at once: not every text fits into a cookie. False where no link was followed.
 */
export function moveTokenToCookie(ctx: Context, purpose: LinkPurpose, { site }: LinkDeps): boolean {
  const { token } = ctx.query;
  if (typeof token !== 'string') return false;
  if (!LINK_TOKEN.test(token)) {
    refuseLink(ctx, purpose);
    return true;
  }
  ctx.cookies.set(cookieName(purpose, site), token, {
    httpOnly: true,
    sameSite: 'lax',
    secure: site.secure,
    path: site.secure ? '/' : `${site.basePath}/${purpose}`,
    maxAge: LINK_TTL_SECONDS * 1000,
    overwrite: true,
  });
  ctx.status = 303;
  ctx.redirect(pageUrl(site, `/${purpose}`));
  return true;
}

/** The link that this browser followed, if it still works; otherwise says so on a page. */
export async function liveLink(
  ctx: Context,
  purpose: LinkPurpose,
  { site, links, clock }: LinkDeps,
): Promise<LiveLink | undefined> {
  const token = ctx.cookies.get(cookieName(purpose, site));
  const link = token ? await links.find({ token, purpose, now: clock() }) : undefined;
  if (token && link) return { token, userId: link.userId };
  refuseLink(ctx, purpose);
  return undefined;
}

/** Tells the person that the link is used up, too old or unknown, and how to get another. */
export function refuseLink(ctx: Context, purpose: LinkPurpose): void {
  const { correlationId } = requestContext(ctx);
  sendPage(ctx, linkProblemPage({ purpose: purpose === 'setup' ? 'set-up' : 'password', correlationId }), 410);
}

/** Takes the cookie away once the link is used up. */
export function forgetToken(ctx: Context, purpose: LinkPurpose, { site }: LinkDeps): void {
  ctx.cookies.set(cookieName(purpose, site), null, {
    path: site.secure ? '/' : `${site.basePath}/${purpose}`,
    secure: site.secure,
  });
}

function cookieName(purpose: LinkPurpose, { secure }: Site): string {
  return `${secure ? '__Host-' : ''}portcullis-${purpose}`;
}
