import { GatewayError } from '../../core/errors.ts';
import type { InferenceCall } from '../../core/inference.ts';
import type { PluginHost } from '../../plugins/host.ts';
import { readOrder, readRequestChange, readResponseChange, readWindowChange } from '../../plugins/results.ts';
import {
  type CallScope,
  defineInterceptor,
  type InferenceResponse,
  type Interceptor,
  type Next,
} from '../interceptor.ts';
import { factsOf, requestData, responseData, withRequestTexts, withResponseTexts } from '../plugin-data.ts';
import { PluginStream } from '../plugin-stream.ts';
import type { RequestContext } from '../request-context.ts';

/**
 * Passes requests and responses through the plugins that are interceptors, and asks the strategies of models. On requests the
 * plugins run in the order of the configuration, on responses in the reverse one.
 */
export const interceptor = defineInterceptor({
  name: 'plugins',
  create: (_, { plugins }): Interceptor | undefined =>
    plugins && plugins.length > 0 ? new PluginsInterceptor(plugins) : undefined,
});

class PluginsInterceptor implements Interceptor {
  readonly name = 'plugins';

  constructor(private readonly hosts: readonly PluginHost[]) {}

  /** Known when the plugins are loaded, which may be after the configuration is. */
  get stream(): 'rewrite' | 'bytes' {
    return this.hosts.some(({ manifest }) => manifest?.interceptor?.hasWindow) ? 'rewrite' : 'bytes';
  }

  applies(call: InferenceCall, { request }: CallScope): boolean {
    return (
      request.routing.route?.strategyPlugin !== undefined ||
      this.hosts.some((host) => host.manifest?.hasGuardrail === true || concerns(host, call, request))
    );
  }

  async handle(call: InferenceCall, scope: CallScope, next: Next): Promise<InferenceResponse> {
    const { request } = scope;
    const hosts = this.hosts.filter((host) => concerns(host, call, request));
    // Guardrails call plugins, too.
    for (const host of this.hosts) request.onEnd(host.retain());
    let changed = call;
    for (const host of hosts) changed = await changeRequest(host, changed, request);
    await this.#order(changed, request);
    let response = await next(changed, scope);
    for (const host of hosts.toReversed()) response = await changeResponse(host, changed, request, response);
    return response;
  }

  /** Asks the strategy of the model once, also where an outer interceptor repeats the call. */
  async #order(call: InferenceCall, request: RequestContext): Promise<void> {
    const { routing } = request;
    const { route } = routing;
    const host = this.hosts.find(({ id }) => id === route?.strategyPlugin);
    if (!route || !host || routing.preference) return;
    const targets = route.targets.filter(({ provider }) => (provider.account ?? 1) === 1);
    const data = {
      ...factsOf(call, request),
      targets: targets.map(({ provider, model, weight, tier = 0, region = provider.region }) => ({
        ...{ provider: provider.id, model, weight, tier },
        ...(region === undefined ? {} : { region }),
      })),
    };
    const chosen = await attempt(host, () =>
      host.call('order', data, (result) => readOrder(result, targets.length)),
    );
    if (!chosen) return;
    routing.preference = {
      model: route.id,
      order: chosen.order.flatMap((index) => {
        const target = targets[index];
        return target ? [`${target.provider.id}/${target.model}`] : [];
      }),
      only: chosen.only ?? false,
    };
  }
}

/** Whether a plugin takes part in a call. One that has not loaded yet, and whose failures end requests, takes part in all. */
function concerns(
  { manifest, settings }: PluginHost,
  call: InferenceCall,
  { routing }: RequestContext,
): boolean {
  if (!manifest) return settings.fail === 'closed';
  const { interceptor } = manifest;
  if (!interceptor?.operations.has(call.operation)) return false;
  return interceptor.models.size === 0 || interceptor.models.has(routing.route?.id ?? '');
}

/**
 * Runs a call of a plugin by its failure policy.
 * @returns undefined where it failed and the request goes on
 * @throws GatewayError `plugin_failed`
 */
async function attempt<T>(host: PluginHost, call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (thrown) {
    if (host.settings.fail === 'closed') throw pluginFailed(host, thrown);
    return undefined;
  }
}

function pluginFailed({ id }: PluginHost, cause: unknown): GatewayError {
  return new GatewayError(
    'plugin_failed',
    `The plugin "${id}" failed, and requests do not go on without it. Try again later.`,
    { cause },
  );
}

async function changeRequest(
  host: PluginHost,
  call: InferenceCall,
  request: RequestContext,
): Promise<InferenceCall> {
  if (host.manifest && !host.manifest.interceptor?.hasRequest) return call;
  const data = requestData(factsOf(call, request), call);
  const change = await attempt(host, () =>
    host.call('request', data, (result) => readRequestChange(result, data.texts.length)),
  );
  if (!change) return call;
  const { texts = [], headers = {}, reject } = change;
  if (reject) throw new GatewayError(reject.code ?? 'permission_denied', reject.message);
  request.response.headers.push(...Object.entries(headers));
  return withRequestTexts(call, texts);
}

async function changeResponse(
  host: PluginHost,
  call: InferenceCall,
  request: RequestContext,
  response: InferenceResponse,
): Promise<InferenceResponse> {
  const { hasResponse = false, hasWindow = false } = host.manifest?.interceptor ?? {};
  const { body } = response;
  if (body.kind === 'stream') {
    return hasWindow
      ? { ...response, body: { kind: 'stream', stream: body.stream.through(windows(host, call, request)) } }
      : response;
  }
  if (!hasResponse) return response;
  const data = responseData(factsOf(call, request), body.result);
  const change = await attempt(host, () =>
    host.call('response', data, (result) => readResponseChange(result, data.texts.length)),
  );
  if (!change) return response;
  request.response.headers.push(...Object.entries(change.headers ?? {}));
  const result = withResponseTexts(body.result, change.texts ?? []);
  return result === body.result ? response : { ...response, body: { kind: 'complete', result } };
}

function windows(host: PluginHost, { model }: InferenceCall, { identity }: RequestContext): PluginStream {
  const { id } = identity;
  return new PluginStream(
    async (window) => {
      const { text, isLast } = window;
      const change = await attempt(host, () =>
        host.call('window', { ...window, id, model }, (result) => readWindowChange(result, text, isLast)),
      );
      return change ?? { text, keep: 0 };
    },
    (thrown) => (thrown instanceof GatewayError ? thrown : pluginFailed(host, thrown)),
  );
}
