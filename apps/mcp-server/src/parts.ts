import type { Config } from './config.ts';
import type { Tool } from './tools/tool.ts';

/** One protected resource that this process serves: an audience, its tools, and the client that stands for it. */
export type Part = {
  /** Which half of the desk it is, or `whole`. */
  name: 'whole' | 'read' | 'act';
  url: string;
  clientId: string;
  tools: readonly Tool[];
};

/**
 * The resources of the desk. Split, they are two with an audience each: whoever reads what people outside wrote holds no
 * token, and finds no tool, that changes something or needs the user's word (SP-29). What concerns the token alone is in
 * both.
 */
export function partsOf(
  { mcpUrl, clientId, split }: Pick<Config, 'mcpUrl' | 'clientId' | 'split'>,
  tools: readonly Tool[],
): readonly [Part, ...Part[]] {
  if (!split) return [{ name: 'whole', url: mcpUrl, clientId, tools }];
  const inBoth = (tool: Tool) => tool.scopes === 'any-valid-token';
  return [
    { name: 'read', url: `${mcpUrl}/read`, clientId, tools: tools.filter((tool) => inBoth(tool) || !acts(tool)) },
    {
      name: 'act',
      url: `${mcpUrl}/act`,
      clientId: `${clientId}-act`,
      tools: tools.filter((tool) => inBoth(tool) || acts(tool)),
    },
  ];
}

function acts({ listing, confirmation }: Tool): boolean {
  return !listing.annotations.readOnlyHint || confirmation === 'required';
}
