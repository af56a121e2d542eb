import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Conversation, ToolCall } from '../support/scripted-model/conversation.ts';
import { type Agent, COUNT_COMMAND, FILE, FINAL_TEXT, offers, PROMPT } from './agent.ts';

const PATCH = [
  '*** Begin Patch',
  `*** Update File: ${FILE}`,
  '@@',
  '-Hello old world.',
  '+Hello new world.',
  '*** End Patch',
  '',
].join('\n');

/** Codex offers `apply_patch` as a freeform tool; other APIs get it as a function with one text. */
function freeform(conversation: Conversation, name: string, input: string): ToolCall {
  const kind = offers(conversation, name)?.kind;
  return { name, arguments: { input }, ...(kind === 'custom' && { input }) };
}

const shell = (cmd: string): ToolCall => ({ name: 'exec_command', arguments: { cmd } });

/** Codex knows this model, and offers it freeform tools. A model that it does not know edits with the shell. */
const KNOWN_MODEL = 'gpt-5.5';

export const codex: Agent = {
  name: 'Codex',
  packageFolder: 'codex',
  nativeFormat: 'openai',
  models: [KNOWN_MODEL, 'house-model'],
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
`;
    writeFileSync(join(folder, 'config.toml'), config);
    return {
      args: ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', PROMPT],
      env: { CODEX_HOME: folder, WEIR_API_KEY: key },
    };
  },
  respond: (conversation, _project, model) => {
    switch (conversation.results.length) {
      case 0:
        return { text: 'I read it first.', calls: [shell(`cat ${FILE}`)] };
      case 1:
        return {
          calls: [
            model === KNOWN_MODEL
              ? freeform(conversation, 'apply_patch', PATCH)
              : shell(`sed -i s/old/new/ ${FILE}`),
          ],
        };
      case 2:
        return { calls: [shell(COUNT_COMMAND)] };
      default:
        return { text: FINAL_TEXT };
    }
  },
};
