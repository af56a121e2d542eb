import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Agent, COUNT_COMMAND, FILE, FINAL_TEXT, offers, PROMPT } from './agent.ts';

/** npm installs the musl builds on musl systems only, where no other build starts. */
const score = (name: string) => Number(name.includes('musl')) * 2 + Number(name.includes('baseline'));

/** OpenCode's own providers, by the name of the model: each speaks another API. */
const PROVIDERS: Readonly<Record<string, string>> = {
  'chat-model': '@ai-sdk/openai-compatible',
  'responses-model': '@ai-sdk/openai',
  'messages-model': '@ai-sdk/anthropic',
};

export const opencode: Agent = {
  name: 'OpenCode',
  packageFolder: 'opencode',
  nativeFormat: 'openai',
  models: Object.keys(PROVIDERS),
  budgetMessage: /The limit of [\d.]+ US dollars per month[^\n]*/,
  findExecutable: (folder) => {
    const modules = join(folder, 'node_modules');
    const file = process.platform === 'win32' ? 'opencode.exe' : 'opencode';
    // The baseline builds run on processors without AVX2 too.
    return readdirSync(modules)
      .filter((name) => name.startsWith('opencode-') && name !== 'opencode-ai')
      .toSorted((a, b) => score(b) - score(a))
      .map((name) => join(modules, name, 'bin', file))
      .find(existsSync);
  },
  prepare: ({ project }, { url, key, model }) => {
    const settings = {
      provider: {
        weir: {
          npm: PROVIDERS[model],
          name: 'Weir',
          options: { baseURL: `${url}/v1`, apiKey: '{env:WEIR_API_KEY}' },
          models: { [model]: { name: model } },
        },
      },
      autoupdate: false,
      share: 'disabled',
    };
    writeFileSync(join(project, 'opencode.json'), JSON.stringify(settings));
    return {
      args: ['run', '--model', `weir/${model}`, '--title', 'Greeting', PROMPT],
      env: {
        WEIR_API_KEY: key,
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      },
    };
  },
  // Its terminal interface shows each retry with its reason; its non-interactive mode writes it to the log.
  logsErrors: ['--print-logs'],
  respond: (conversation, project) => {
    if (offers(conversation, 'bash') === undefined) return { text: 'Greeting' };
    const file = join(project, FILE);
    switch (conversation.results.length) {
      case 0:
        return { text: 'I read it first.', calls: [{ name: 'read', arguments: { filePath: file } }] };
      case 1:
        return {
          calls: [{ name: 'edit', arguments: { filePath: file, oldString: 'old', newString: 'new' } }],
        };
      case 2:
        return {
          calls: [{ name: 'bash', arguments: { command: COUNT_COMMAND, description: 'Count bytes' } }],
        };
      default:
        return { text: FINAL_TEXT };
    }
  },
};
