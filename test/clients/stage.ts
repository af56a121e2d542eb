import { type Gateway, startGateway } from '../support/gateway.ts';
import {
  type ModelFormat,
  type ScriptedModel,
  startScriptedModel,
} from '../support/scripted-model/server.ts';
import { weatherModel } from './weather-model.ts';

/** A gateway with a model of every upstream format, and what clients need to know of it. */
export interface ClientStage {
  readonly settings: {
    readonly url: string;
    readonly key: string;
    readonly models: Readonly<Record<ModelFormat, string>>;
    readonly embeddingModel: string;
  };
  /** Rules of the vendors that upstream requests have broken. */
  faults(): readonly string[];
  stop(): Promise<void>;
}

const NAMES: Readonly<Record<ModelFormat, string>> = {
  openai: 'weather-gpt',
  anthropic: 'weather-claude',
  vllm: 'weather-qwen',
};

export async function startClientStage(): Promise<ClientStage> {
  const [openai, anthropic, vllm]: readonly ScriptedModel[] = await Promise.all([
    startScriptedModel('openai', weatherModel),
    startScriptedModel('anthropic', weatherModel),
    startScriptedModel('vllm', weatherModel),
  ]);
  if (openai === undefined || anthropic === undefined || vllm === undefined) throw new Error('no upstreams');
  const common = { api_key: 'sk-upstream', discover: false };
  const gateway: Gateway = await startGateway({
    config: {
      providers: [
        { id: 'openai', kind: 'openai', base_url: `${openai.url}/v1`, ...common },
        { id: 'anthropic', kind: 'anthropic', base_url: anthropic.url, ...common },
        { id: 'vllm', kind: 'openai-compatible', engine: 'vllm', base_url: `${vllm.url}/v1`, ...common },
      ],
      models: [
        { id: NAMES.openai, targets: [{ provider: 'openai', model: 'gpt-4.1' }] },
        { id: NAMES.anthropic, targets: [{ provider: 'anthropic', model: 'claude-sonnet-4-5' }] },
        { id: NAMES.vllm, targets: [{ provider: 'vllm', model: 'Qwen/Qwen3-32B' }] },
        { id: 'embed', targets: [{ provider: 'openai', model: 'text-embedding-3-small' }] },
      ],
    },
  });
  const upstreams = [openai, anthropic, vllm];
  return {
    settings: { url: gateway.url, key: gateway.adminKey, models: NAMES, embeddingModel: 'embed' },
    faults: () =>
      upstreams.flatMap(({ faults, unknownPaths }) => [
        ...faults,
        ...unknownPaths.map((path) => `no such path: ${path}`),
      ]),
    stop: async () => {
      await gateway.stop();
      await Promise.all(upstreams.map((upstream) => upstream.close()));
    },
  };
}
