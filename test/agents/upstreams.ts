import { type Gateway, startGateway } from '../support/gateway.ts';
import type { ModelScript } from '../support/scripted-model/conversation.ts';
import {
  type ModelFormat,
  type ScriptedModel,
  startScriptedModel,
} from '../support/scripted-model/server.ts';
import type { Agent } from './agent.ts';

export const FORMATS: readonly ModelFormat[] = ['openai', 'anthropic', 'vllm'];

/** A gateway with one scripted upstream behind every model name. */
export interface Stage {
  readonly gateway: Gateway;
  readonly upstream: ScriptedModel;
  /** From now on, this script decides the output of the upstream. */
  play(script: ModelScript): void;
  stop(): Promise<void>;
}

const PROVIDERS: Readonly<Record<ModelFormat, (url: string) => Record<string, unknown>>> = {
  openai: (url) => ({ kind: 'openai', base_url: `${url}/v1`, model: 'gpt-5.1' }),
  anthropic: (url) => ({ kind: 'anthropic', base_url: url, model: 'claude-sonnet-4-5' }),
  vllm: (url) => ({
    kind: 'openai-compatible',
    engine: 'vllm',
    base_url: `${url}/v1`,
    model: 'Qwen/Qwen3-32B',
  }),
};

/** US dollars per million tokens; an upstream reports 40 and 8 tokens for each request. */
const PRICE = { input: '1', output: '1' };

export async function startStage(format: ModelFormat, agents: readonly Agent[]): Promise<Stage> {
  let script: ModelScript = () => ({ text: 'Ready.' });
  const upstream = await startScriptedModel(format, (conversation) => script(conversation));
  const { model, ...provider } = PROVIDERS[format](upstream.url);
  const names = new Set(agents.flatMap(({ models }) => models));
  const gateway = await startGateway({
    // The retries and breakers of a default installation: a real agent meets them.
    config: {
      routing: {},
      providers: [{ id: 'upstream', api_key: 'sk-upstream', discover: false, ...provider }],
      models: [...names].map((id) => ({
        id,
        price: PRICE,
        context_window: 200_000,
        targets: [{ provider: 'upstream', model }],
      })),
    },
  });
  return {
    gateway,
    upstream,
    play: (next) => {
      script = next;
    },
    stop: async () => {
      await gateway.stop();
      await upstream.close();
    },
  };
}
