import { z } from 'zod';
import type { ThrowAwayHome } from './throw-away-home.ts';

/** What `whoami` says of the caller. */
export type Whoami = z.infer<typeof whoamiSchema>;

/** A client program of somebody else's, that is used as a person would use it. */
export type DrivenClient = {
  /** Calls `whoami`; starts the program where it does not run, and signs in where it asks for it. */
  whoami(): Promise<Whoami>;
  /** Ends the program. What it remembers it keeps. */
  end(): Promise<void>;
};

/** What a program is started with. */
export type DrivenOptions = {
  /** All that the program is told about the server. */
  mcpUrl: string;
  /** Where the program may keep what it likes. */
  home: ThrowAwayHome;
  /** Does at an authorization URL what a person does in the browser. */
  openInBrowser(url: URL): Promise<unknown>;
};

const whoamiSchema = z.object({ subject: z.string(), client: z.string(), expiresAt: z.iso.datetime() });

/** Reads what the tool answered. */
export function readWhoami(structured: unknown): Whoami {
  return whoamiSchema.parse(structured);
}

/** The first authorization URL in what a program wrote, once its line is complete. */
export function printedAuthorizationUrl(output: string): URL | undefined {
  const [, url] = /^(https?:\/\/\S+\/authorize\?\S+)\r?\n/m.exec(output) ?? [];
  return url === undefined ? undefined : new URL(url);
}
