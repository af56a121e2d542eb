import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Agent, COUNT_COMMAND, FILE, FINAL_TEXT, offers, PROMPT } from './agent.ts';

const scope = 'node_modules/@anthropic-ai';

export const claudeCode: Agent = {
  name: 'Claude Code',
  packageFolder: 'claude-code',
  nativeFormat: 'anthropic',
  models: ['claude-sonnet-5'],
  budgetMessage: /The limit of [\d.]+ US dollars per month[^\n]*/,
  findExecutable: (folder) =>
    readdirSync(join(folder, scope))
      .map((name) => join(folder, scope, name, process.platform === 'win32' ? 'claude.exe' : 'claude'))
      .find(existsSync),
  prepare: (_folders, { url, key, model }) => ({
    args: ['-p', PROMPT, '--model', model, '--permission-mode', 'acceptEdits', '--allowedTools', 'Bash'],
    env: {
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_AUTH_TOKEN: key,
      ANTHROPIC_SMALL_FAST_MODEL: model,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    },
  }),
  respond: (conversation, project) => {
    // Requests without tools ask for a title or a summary.
    if (offers(conversation, 'Bash') === undefined) return { text: 'Greeting' };
    const file = join(project, FILE);
    switch (conversation.results.length) {
      case 0:
        return { text: 'I read it first.', calls: [{ name: 'Read', arguments: { file_path: file } }] };
      case 1:
        return {
          calls: [{ name: 'Edit', arguments: { file_path: file, old_string: 'old', new_string: 'new' } }],
        };
      case 2:
        return {
          calls: [{ name: 'Bash', arguments: { command: COUNT_COMMAND, description: 'Count bytes' } }],
        };
      default:
        return { text: FINAL_TEXT };
    }
  },
};
