import type { ProviderConfig } from '../config/schema.ts';
import { fetchModels } from '../providers/buffered-call.ts';
import { engineCandidates } from '../providers/registry.ts';
import type { Provider } from '../providers/types.ts';

const TIMEOUT_MS = 400;

/**
 * Finds inference engines at their default ports on this machine. A server whose model list names another owner is not
 * offered, because it may be any server, this gateway included.
 * @param create makes a provider for a candidate
 * @param ownPorts ports that this process listens on, which are skipped
 * @returns provider configurations of the engines that responded within 400 ms
 */
export async function detectEngines(
  create: (config: ProviderConfig) => Provider | Promise<Provider>,
  ownPorts: readonly number[],
): Promise<ProviderConfig[]> {
  const candidates = engineCandidates().filter(({ port }) => !ownPorts.includes(port));
  const answers = await Promise.allSettled(
    candidates.map(async ({ config }) => fetchModels(await create(config), TIMEOUT_MS)),
  );
  return candidates.flatMap(({ config, ownedBy }, index) => {
    const answer = answers[index];
    if (answer?.status !== 'fulfilled' || answer.value.length === 0) return [];
    // An engine that names no owner cannot be identified, so it has to be configured.
    const matches = ownedBy !== undefined && answer.value.some((model) => model.ownedBy === ownedBy);
    return matches ? [config] : [];
  });
}
