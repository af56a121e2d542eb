import type { ProviderTest } from '../api/admin/config-operations.ts';
import type { Config } from '../config/schema.ts';
import { asGatewayError } from '../core/errors.ts';
import { fetchModels } from '../providers/buffered-call.ts';
import { createProviders, type ProviderOptions } from './providers.ts';

const TIMEOUT_MS = 10_000;

/**
 * Asks a provider of a configuration, which need not be the active one, for its models.
 * @returns the provider's own error where it rejects the request or does not respond within 10 s
 */
export async function testProvider(
  config: Config,
  id: string,
  options: ProviderOptions,
): Promise<ProviderTest> {
  const { clock } = options;
  const startedAt = clock.now();
  const { providers, close } = await createProviders(config, options);
  const result = (models: readonly string[], error?: ProviderTest['error']): ProviderTest => ({
    ...{ models, error },
    durationMs: Math.round(clock.now() - startedAt),
  });
  try {
    const provider = providers.find((one) => one.id === id);
    if (!provider) return result([], { code: 'not_found', message: `There is no provider "${id}".` });
    const models = await fetchModels(provider, TIMEOUT_MS);
    return result(models.map((model) => model.id));
  } catch (thrown) {
    const { code, message } = asGatewayError(thrown);
    return result([], { code, message });
  } finally {
    close();
  }
}
