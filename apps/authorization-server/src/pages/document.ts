import { markAsset, stylesheetAsset } from './assets.ts';
import { type Html, html } from './html.ts';
import { darkPalette, lightPalette } from './palette.ts';

/** One page before it becomes a document: its title, as plain text, and what stands in its main part. */
export type Page = Readonly<{ title: string; body: Html }>;

/**
 * Turns a page into a whole document without script, inline style or anything from another origin.
 *
 * @param basePath the path of the issuer without a slash at the end, below which the assets are served; default none.
 */
export function renderDocument(page: Page, basePath = ''): string {
  const head = html`<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" content="${lightPalette.ground}" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="${darkPalette.ground}" media="(prefers-color-scheme: dark)">
<meta name="robots" content="noindex">
<title>${page.title} – Portcullis</title>
<link rel="stylesheet" href="${basePath + stylesheetAsset.path}">
<link rel="icon" type="image/svg+xml" href="${basePath + markAsset.path}">`;
  return html`<!doctype html>
<html lang="en">
<head>
${head}
</head>
<body>
<div class="column">
<header><img src="${basePath + markAsset.path}" alt="" width="32" height="32"> Portcullis</header>
<main>
${page.body}
</main>
</div>
</body>
</html>
`.toString();
}
