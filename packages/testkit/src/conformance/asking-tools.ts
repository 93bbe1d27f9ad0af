import type {
  CallToolResult,
  InputRequest,
  InputRequiredResult,
  McpServer,
  ServerContext,
} from '@modelcontextprotocol/server';
import { inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { z } from 'zod';

/**
 * Registers the tools that ask the client's model or its user once.
 * They are written for the 2026-07-28 revision; the SDK turns the question into a request of the server for older clients.
 */
export function registerAskingTools(server: McpServer): void {
  server.registerTool(
    'test_sampling',
    { description: "Asks the client's model", inputSchema: z.object({ prompt: z.string() }) },
    ({ prompt }, ctx) => {
      const answer = inputResponse(ctx.mcpReq.inputResponses, 'answer');
      if (answer.kind !== 'sampling') return ask('answer', samplingOf(prompt, 100));
      return text(`LLM response: ${JSON.stringify(answer.result.content)}`);
    },
  );

  server.registerTool(
    'test_missing_capability',
    { description: "Asks the client's model, so a client without sampling must be refused" },
    (ctx) => {
      const answer = inputResponse(ctx.mcpReq.inputResponses, 'answer');
      if (answer.kind !== 'sampling') return ask('answer', samplingOf('Say yes.', 10));
      return text('The client can sample.');
    },
  );

  server.registerTool(
    'test_elicitation',
    { description: 'Asks the user for a name and an address', inputSchema: z.object({ message: z.string() }) },
    ({ message }, ctx) => elicit(ctx, { message, requestedSchema: contactForm, prefix: 'User response: ' }),
  );

  server.registerTool(
    'test_elicitation_sep1034_defaults',
    { description: 'Asks with a default for each type' },
    (ctx) =>
      elicit(ctx, {
        message: 'Please check these values',
        requestedSchema: defaultsForm,
        prefix: 'Elicitation completed: ',
      }),
  );

  server.registerTool('test_elicitation_sep1330_enums', { description: 'Asks with each form of choice' }, (ctx) =>
    elicit(ctx, { message: 'Please choose', requestedSchema: choicesForm, prefix: 'Elicitation completed: ' }),
  );
}

/** A request for the client's model to continue from one line. */
export function samplingOf(prompt: string, maxTokens: number): InputRequest {
  return inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
    maxTokens,
  });
}

type Form = Parameters<typeof inputRequired.elicit>[0]['requestedSchema'];

const contactForm = {
  type: 'object' as const,
  properties: {
    username: { type: 'string' as const, description: "User's response" },
    email: { type: 'string' as const, description: "User's email address" },
  },
  required: ['username', 'email'],
} satisfies Form;

const defaultsForm = {
  type: 'object' as const,
  properties: {
    name: { type: 'string' as const, default: 'John Doe' },
    age: { type: 'integer' as const, default: 30 },
    score: { type: 'number' as const, default: 95.5 },
    status: { type: 'string' as const, enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean' as const, default: true },
  },
} satisfies Form;

const plainOptions = ['option1', 'option2', 'option3'];

const choicesForm = {
  type: 'object' as const,
  properties: {
    untitledSingle: { type: 'string' as const, enum: plainOptions },
    titledSingle: { type: 'string' as const, oneOf: titled(['First Option', 'Second Option', 'Third Option']) },
    legacyEnum: {
      type: 'string' as const,
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array' as const, items: { type: 'string' as const, enum: plainOptions } },
    titledMulti: {
      type: 'array' as const,
      items: { anyOf: titled(['First Choice', 'Second Choice', 'Third Choice']) },
    },
  },
} satisfies Form;

function titled(titles: readonly string[]) {
  return titles.map((title, index) => ({ const: `value${index + 1}`, title }));
}

function elicit(
  ctx: ServerContext,
  { message, requestedSchema, prefix }: { message: string; requestedSchema: Form; prefix: string },
): CallToolResult | InputRequiredResult {
  const answer = inputResponse(ctx.mcpReq.inputResponses, 'form');
  if (answer.kind !== 'elicit') return ask('form', inputRequired.elicit({ message, requestedSchema }));
  return text(`${prefix}action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`);
}

function ask(key: string, request: InputRequest): InputRequiredResult {
  return inputRequired({ inputRequests: { [key]: request } });
}

function text(line: string): CallToolResult {
  return { content: [{ type: 'text', text: line }] };
}
