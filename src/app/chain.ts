import type { Clock } from '../core/clock.ts';
import type { Transport } from '../core/transport.ts';
import type { DeadlineMonitor } from '../dispatch/deadlines.ts';
import { FailoverExecutor } from '../dispatch/failover-executor.ts';
import { GuardedMediaFetcher } from '../dispatch/media.ts';
import type { GuardrailSets } from '../guardrails/guardrail-sets.ts';
import { ContextWindows } from '../metering/context-window.ts';
import type { ModelData } from '../metering/model-data.ts';
import type { Tokenizer } from '../metering/tokenizer.ts';
import { composeChain } from '../pipeline/chain.ts';
import type { Next } from '../pipeline/interceptor.ts';
import { INTERCEPTORS } from '../pipeline/order.ts';
import type { Recorder } from '../pipeline/recorder.ts';
import type { RequestLogWriter } from '../pipeline/request-log-writer.ts';
import type { PluginHost } from '../plugins/host.ts';
import type { TargetStates } from '../routing/health/target-states.ts';
import type { CacheParts } from './cache.ts';
import { guardrailServices } from './guardrails.ts';
import type { GatewaySnapshot } from './snapshot.ts';
import type { UsageParts } from './usage.ts';

export interface ChainParts {
  readonly clock: Clock;
  readonly deadlines: DeadlineMonitor;
  readonly states: TargetStates;
  readonly recorder: Recorder;
  readonly usage: Pick<UsageParts, 'limiter' | 'meter' | 'inFlight'>;
  readonly tokenizer: Tokenizer;
  readonly modelData: ModelData;
  readonly cache: CacheParts;
  readonly plugins: readonly PluginHost[];
  /** Reaches the servers of guardrails. */
  readonly guardrailTransport: Transport;
  readonly requestLog: RequestLogWriter;
  /** The key of hashes in redacted texts. */
  readonly hashSecret: string;
}

/** Composes the interceptor chain of one configuration. Interceptors that it does not use are not in the chain. */
export async function createChain(
  snapshot: GatewaySnapshot,
  parts: ChainParts,
): Promise<{ readonly chain: Next; readonly guardrails: GuardrailSets }> {
  const { clock, recorder, usage, tokenizer } = parts;
  const { router, useEstimates, directory, limits, config, promptCaching } = snapshot;
  const executor = new FailoverExecutor({
    ...{ clock, deadlines: parts.deadlines, states: parts.states, observer: recorder },
    ...{ router, useEstimates, limits, promptCaching, limiter: usage.limiter, records: usage.inFlight },
    media: new GuardedMediaFetcher(() => snapshot.mediaLimits),
    estimateTokens: (request, model) => tokenizer.estimate(request, model),
    contextWindows: new ContextWindows(parts.modelData, tokenizer),
  });
  const services = {
    ...{ clock, router, useEstimates, limiter: usage.limiter, meter: usage.meter },
    routes: directory.routes(),
    mirrorObserver: recorder,
    runsBatches: true,
    cache: parts.cache.services(config, parts.deadlines),
    moderationWords: config.moderation.words,
    plugins: parts.plugins,
    guardrails: await guardrailServices(
      config,
      {
        hashSecret: parts.hashSecret,
        servers: { transport: parts.guardrailTransport, clock },
        plugins: parts.plugins,
      },
      recorder,
    ),
    requestLog: parts.requestLog,
  };
  const settings: Readonly<Record<string, unknown>> = config.interceptors;
  const interceptors = INTERCEPTORS.flatMap(({ name, create }) => create(settings[name], services) ?? []);
  return { chain: composeChain(interceptors, executor.dispatch), guardrails: services.guardrails.sets };
}
