import type { CallToolResult, InputRequest, McpServer, RequestStateCodec } from '@modelcontextprotocol/server';
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  inputResponse,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { samplingOf } from './asking-tools.ts';

/** What the sealed state of a call in several rounds remembers. */
export type RoundState = { round: number };

const nameForm = z.object({ name: z.string() });
const colorForm = z.object({ color: z.string() });
/** The part of a request's envelope that says what the client can do; older clients send none. */
const declaredCapabilities = z
  .object({ [CLIENT_CAPABILITIES_META_KEY]: z.object({ sampling: z.unknown(), elicitation: z.unknown() }).partial() })
  .catch({ [CLIENT_CAPABILITIES_META_KEY]: {} });
const confirmForm = z.object({ ok: z.boolean() });

/** Registers the tools of SEP-2322: a call is answered with what is missing, and is sent again with it. */
export function registerInputRequiredTools(server: McpServer, states: RequestStateCodec<RoundState>): void {
  registerSingleQuestions(server);
  registerQuestionsByCapability(server);
  registerSealedStates(server, states);
  registerManyQuestions(server, states);
  registerRounds(server, states);
}

function registerSingleQuestions(server: McpServer): void {
  server.registerTool('test_input_required_result_elicitation', { description: 'Asks for a name' }, (ctx) => {
    const answer = acceptedContent(ctx.mcpReq.inputResponses, 'user_name', nameForm);
    if (!answer) return inputRequired({ inputRequests: { user_name: askName('What is your name?') } });
    return text(`Hello, ${answer.name}!`);
  });

  server.registerTool('test_input_required_result_sampling', { description: 'Asks the model for a capital' }, (ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, 'capital_question');
    if (answer.kind === 'sampling') return text(JSON.stringify(answer.result.content));
    return inputRequired({ inputRequests: { capital_question: samplingOf('What is the capital of France?', 100) } });
  });

  server.registerTool(
    'test_input_required_result_list_roots',
    { description: "Asks for the client's roots" },
    (ctx) => {
      const answer = inputResponse(ctx.mcpReq.inputResponses, 'client_roots');
      if (answer.kind === 'roots') return text(`Roots: ${answer.roots.map((root) => root.uri).join(', ')}`);
      return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    },
  );
}

function registerQuestionsByCapability(server: McpServer): void {
  server.registerTool(
    'test_input_required_result_capabilities',
    { description: 'Asks only what the client can do' },
    (ctx) => {
      const can = declaredCapabilities.parse(ctx.mcpReq.envelope)[CLIENT_CAPABILITIES_META_KEY];
      const inputRequests: Record<string, InputRequest> = {};
      if (can.sampling) inputRequests.greeting = samplingOf('Generate a greeting', 50);
      if (can.elicitation) inputRequests.user_name = askName('What is your name?');
      const missing = Object.keys(inputRequests).filter((key) => ctx.mcpReq.inputResponses?.[key] === undefined);
      return missing.length > 0 ? inputRequired({ inputRequests }) : text('Asked what could be asked.');
    },
  );
}

function registerSealedStates(server: McpServer, states: RequestStateCodec<RoundState>): void {
  // Both names ask the same: one scenario sends the state back as it was, the other changes it.
  for (const name of ['test_input_required_result_request_state', 'test_input_required_result_tampered_state']) {
    server.registerTool(name, { description: 'Asks for a yes and seals its state' }, async (ctx) => {
      const answer = acceptedContent(ctx.mcpReq.inputResponses, 'confirm', confirmForm);
      if (answer && ctx.mcpReq.requestState<RoundState>()?.round === 1) return text('state-ok');
      return inputRequired({
        inputRequests: { confirm: inputRequired.elicit({ message: 'Please confirm', requestedSchema: confirmForm }) },
        requestState: await states.mint({ round: 1 }),
      });
    });
  }
}

function registerManyQuestions(server: McpServer, states: RequestStateCodec<RoundState>): void {
  server.registerTool(
    'test_input_required_result_multiple_inputs',
    { description: 'Asks three things at once' },
    async (ctx) => {
      const name = acceptedContent(ctx.mcpReq.inputResponses, 'user_name', nameForm);
      const greeting = inputResponse(ctx.mcpReq.inputResponses, 'greeting');
      const roots = inputResponse(ctx.mcpReq.inputResponses, 'client_roots');
      if (name && greeting.kind === 'sampling' && roots.kind === 'roots') return text(`All three, ${name.name}.`);
      return inputRequired({
        inputRequests: {
          user_name: askName('What is your name?'),
          greeting: samplingOf('Generate a greeting', 50),
          client_roots: inputRequired.listRoots(),
        },
        requestState: await states.mint({ round: 1 }),
      });
    },
  );
}

function registerRounds(server: McpServer, states: RequestStateCodec<RoundState>): void {
  server.registerTool(
    'test_input_required_result_multi_round',
    { description: 'Asks twice, one after the other' },
    async (ctx) => {
      const round = ctx.mcpReq.requestState<RoundState>()?.round ?? 0;
      const name = acceptedContent(ctx.mcpReq.inputResponses, 'step1', nameForm);
      const color = acceptedContent(ctx.mcpReq.inputResponses, 'step2', colorForm);
      if (round === 2 && color) return text(`Favourite colour: ${color.color}.`);
      if (round === 1 && name) {
        const step2 = inputRequired.elicit({
          message: 'Step 2: What is your favorite color?',
          requestedSchema: colorForm,
        });
        return inputRequired({ inputRequests: { step2 }, requestState: await states.mint({ round: 2 }) });
      }
      const step1 = askName('Step 1: What is your name?');
      return inputRequired({ inputRequests: { step1 }, requestState: await states.mint({ round: 1 }) });
    },
  );
}

function askName(message: string): InputRequest {
  return inputRequired.elicit({ message, requestedSchema: nameForm });
}

function text(line: string): CallToolResult {
  return { content: [{ type: 'text', text: line }] };
}
