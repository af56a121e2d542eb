import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Conversation, ToolCall, ToolOffer } from '../support/scripted-model/conversation.ts';
import { type Agent, COUNT_COMMAND, FILE, FINAL_TEXT, PROMPT } from './agent.ts';

const PATCH = [
  '*** Begin Patch',
  `*** Update File: ${FILE}`,
  '@@',
  '-Hello old world.',
  '+Hello new world.',
  '*** End Patch',
  '',
].join('\n');

/** Codex knows these models. A model that it does not know edits with the shell. */
const FREEFORM_MODEL = 'gpt-5.5';
/** This one has one freeform tool, whose scripts call the other tools. */
const SCRIPTING_MODEL = 'gpt-6-sol';

class MissingTool extends Error {
  constructor(name: string, tools: readonly ToolOffer[]) {
    super(`Codex offers no tool "${name}": ${tools.map((tool) => tool.name).join(', ')}`);
  }
}

/**
 * A call of an offered tool. APIs without freeform tools get them as functions with one text, and APIs without
 * groups get names that begin with the group.
 */
function call(
  { tools }: Conversation,
  name: string,
  value: Readonly<Record<string, unknown>> | string,
): ToolCall {
  const offer = tools.find((tool) => tool.name === name || tool.name.endsWith(`__${name}`));
  if (offer === undefined) throw new MissingTool(name, tools);
  const text = typeof value === 'string' ? value : undefined;
  return {
    name: offer.name,
    arguments: typeof value === 'string' ? { input: value } : value,
    ...(offer.kind === 'custom' && text !== undefined && { input: text }),
    ...(offer.kind === 'search' && { searchesTools: true }),
    ...(offer.namespace !== undefined && { namespace: offer.namespace }),
  };
}

/** The calls of each turn. */
function turns(conversation: Conversation, model: string): readonly (() => ToolCall)[] {
  if (model === SCRIPTING_MODEL) {
    const run = (script: string) => call(conversation, 'exec', script);
    const shell = (cmd: string) =>
      `text((await tools.exec_command({ cmd: ${JSON.stringify(cmd)} })).output);`;
    return [
      () => run(shell(`cat ${FILE}`)),
      () => run(`text(await tools.apply_patch(${JSON.stringify(PATCH)}));`),
      () => run(shell(COUNT_COMMAND)),
    ];
  }
  const shell = (cmd: string) => call(conversation, 'exec_command', { cmd });
  return [
    () => shell(`cat ${FILE}`),
    () =>
      model === FREEFORM_MODEL
        ? call(conversation, 'apply_patch', PATCH)
        : shell(`sed -i s/old/new/ ${FILE}`),
    // Codex offers tools of servers to this model after a search only.
    ...(model === FREEFORM_MODEL
      ? [() => call(conversation, 'tool_search', { query: 'lookup', limit: 4 })]
      : []),
    () => call(conversation, 'lookup', { word: 'weir' }),
    () => shell(COUNT_COMMAND),
  ];
}

export const codex: Agent = {
  name: 'Codex',
  packageFolder: 'codex',
  nativeFormat: 'openai',
  models: [FREEFORM_MODEL, SCRIPTING_MODEL, 'house-model'],
  budgetMessage: /Quota exceeded.*/,
  findExecutable: (folder) => {
    const scope = join(folder, 'node_modules/@openai');
    const file = process.platform === 'win32' ? 'codex.exe' : 'codex';
    return readdirSync(scope)
      .map((name) => join(scope, name, 'vendor'))
      .filter(existsSync)
      .flatMap((vendor) => readdirSync(vendor).map((triple) => join(vendor, triple, 'bin', file)))
      .find(existsSync);
  },
  prepare: ({ home }, { url, key, model }) => {
    const folder = join(home, '.codex');
    mkdirSync(folder);
    const config = `model = "${model}"
model_provider = "weir"

[model_providers.weir]
name = "Weir"
base_url = "${url}/v1"
env_key = "WEIR_API_KEY"
wire_api = "responses"

[mcp_servers.demo]
command = ${JSON.stringify(process.execPath)}
args = [${JSON.stringify(join(import.meta.dirname, 'mcp-server.mjs'))}]
`;
    writeFileSync(join(folder, 'config.toml'), config);
    return {
      args: ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', PROMPT],
      env: { CODEX_HOME: folder, WEIR_API_KEY: key },
    };
  },
  respond: (conversation, _project, model) => {
    const turn = turns(conversation, model)[conversation.results.length];
    if (turn === undefined) return { text: FINAL_TEXT };
    try {
      return { ...(conversation.results.length === 0 && { text: 'I read it first.' }), calls: [turn()] };
    } catch (error) {
      // Codex prints the text, and the check fails with it.
      if (error instanceof MissingTool) return { text: error.message };
      throw error;
    }
  },
  expects: (model) => (model === SCRIPTING_MODEL ? [] : ['weir: a low dam']),
};
