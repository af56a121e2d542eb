import type { Conversation, ModelOutput, ToolOffer } from '../support/scripted-model/conversation.ts';
import type { ModelFormat } from '../support/scripted-model/server.ts';

/** The text of the file that agents edit, before and after, and what the last response says. */
export const FILE = 'greeting.txt';
export const BEFORE = 'Hello old world.\n';
export const AFTER = 'Hello new world.\n';
export const COUNT_COMMAND = `wc -c ${FILE}`;
export const FINAL_TEXT = 'The greeting is changed now.';
export const PROMPT = 'Change the greeting.';

export interface AgentEndpoint {
  /** Base URL of Weir, or of a vendor's API, without `/v1` and without a slash at the end. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
}

export interface AgentRun {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A coding agent, as its npm package provides it. */
export interface Agent {
  readonly name: string;
  /** The folder in `packages` with its `package.json` and lockfile. */
  readonly packageFolder: string;
  /** The format of the vendor that the agent is made for, to compare with. */
  readonly nativeFormat: ModelFormat;
  /** The names of the model by which the agent offers different tools. */
  readonly models: readonly string[];
  /** Finds the executable in an installed package folder; undefined if this platform has none. */
  findExecutable(folder: string): string | undefined;
  /** Writes the agent's settings to `home` and `project`. */
  prepare(folders: { home: string; project: string }, endpoint: AgentEndpoint): AgentRun;
  /** What a model does with this agent's tools: reads the file, edits it, runs a command, ends. */
  respond(conversation: Conversation, project: string, model: string): ModelOutput;
  /** Further texts that its tools return to this model. */
  readonly expects?: (model: string) => readonly string[];
  /** What the agent shows of a spent budget. */
  readonly budgetMessage: RegExp;
  /**
   * Arguments with which the agent prints an error before its last retry, for one that prints nothing until then.
   * It is stopped when it has printed `budgetMessage`.
   */
  readonly logsErrors?: readonly string[];
}

export const offers = ({ tools }: Conversation, name: string): ToolOffer | undefined =>
  tools.find((tool) => tool.name === name);
