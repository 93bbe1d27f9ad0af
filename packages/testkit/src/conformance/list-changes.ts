import type { McpServer } from '@modelcontextprotocol/server';

/** What the lists hold besides the fixed entries, and who hears of a change. One for the whole fixture. */
export type ListChanges = {
  extraTool: boolean;
  extraPrompt: boolean;
  /** Told after each change of the tools; set by whoever serves subscription streams. */
  toolsChanged(): void;
  /** Told after each change of the prompts. */
  promptsChanged(): void;
};

/** Registers the tools that add and remove an entry of a list, and the entries that are there at the moment. */
export function registerListChanges(server: McpServer, changes: ListChanges): void {
  server.registerTool('test_trigger_tool_change', { description: 'Adds or removes a tool' }, () => {
    changes.extraTool = !changes.extraTool;
    changes.toolsChanged();
    return { content: [{ type: 'text', text: `The extra tool is ${changes.extraTool ? 'there' : 'gone'}.` }] };
  });

  server.registerTool('test_trigger_prompt_change', { description: 'Adds or removes a prompt' }, () => {
    changes.extraPrompt = !changes.extraPrompt;
    changes.promptsChanged();
    return { content: [{ type: 'text', text: `The extra prompt is ${changes.extraPrompt ? 'there' : 'gone'}.` }] };
  });

  if (changes.extraTool) {
    server.registerTool('test_extra_tool', { description: 'Comes and goes' }, () => ({ content: [] }));
  }
  if (changes.extraPrompt) {
    server.registerPrompt('test_extra_prompt', { description: 'Comes and goes' }, () => ({ messages: [] }));
  }
}
