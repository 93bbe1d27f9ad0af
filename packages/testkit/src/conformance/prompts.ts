import type { McpServer } from '@modelcontextprotocol/server';
import { acceptedContent, completable, inputRequired } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { onePixelPngBase64 } from './fixture-media.ts';

const firstWords = ['testing', 'tested', 'paris', 'portland'];

/** Registers the prompts; the first argument of one can be completed. */
export function registerPrompts(server: McpServer): void {
  server.registerPrompt('test_simple_prompt', { description: 'One line' }, () => ({
    messages: [userText('This is a simple prompt for testing.')],
  }));

  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'Repeats its two arguments',
      argsSchema: z.object({
        arg1: completable(z.string(), (begun) => firstWords.filter((word) => word.startsWith(begun))),
        arg2: z.string(),
      }),
    },
    ({ arg1, arg2 }) => ({ messages: [userText(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  );

  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Carries a resource', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) => ({
      messages: [
        {
          role: 'user',
          content: {
            type: 'resource',
            resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
          },
        },
        userText('Please process the embedded resource above.'),
      ],
    }),
  );

  server.registerPrompt('test_prompt_with_image', { description: 'Carries a picture' }, () => ({
    messages: [
      { role: 'user', content: { type: 'image', data: onePixelPngBase64, mimeType: 'image/png' } },
      userText('Please analyze the image above.'),
    ],
  }));

  registerAskingPrompt(server);
}

function registerAskingPrompt(server: McpServer): void {
  const form = z.object({ context: z.string() });
  server.registerPrompt('test_input_required_result_prompt', { description: 'Asks for its context' }, (ctx) => {
    const answer = acceptedContent(ctx.mcpReq.inputResponses, 'user_context', form);
    if (answer) return { messages: [userText(`Context: ${answer.context}`)] };
    const user_context = inputRequired.elicit({
      message: 'What context should the prompt use?',
      requestedSchema: form,
    });
    return inputRequired({ inputRequests: { user_context } });
  });
}

function userText(line: string) {
  return { role: 'user' as const, content: { type: 'text' as const, text: line } };
}
