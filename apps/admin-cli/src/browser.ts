import { spawn } from 'node:child_process';

/** Opens a URL in the person's browser, or does nothing where there is none; the URL is shown beside it anyway. */
export function openBrowser(url: string, browser: string | undefined): void {
  const [program, ...args] = browser === undefined ? systemOpener() : [browser];
  if (program === undefined) return;
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}

function systemOpener(): string[] {
  switch (process.platform) {
    case 'darwin':
      return ['open'];
    case 'win32':
      return ['rundll32', 'url.dll,FileProtocolHandler'];
    default:
      return ['xdg-open'];
  }
}
