import type { ProviderConfig } from '../config/schema.ts';
import { fetchModels } from '../providers/buffered-call.ts';
import { engineCandidates } from '../providers/registry.ts';
import type { Provider } from '../providers/types.ts';

const TIMEOUT_MS = 400;

/**
 * Looks for serving engines at their usual ports on this machine. What answers there but names another owner of
 * its models is not offered: it may be anything, this gateway included.
 * @param ownPorts ports that this process listens on
 */
export async function detectEngines(
  create: (config: ProviderConfig) => Provider,
  ownPorts: readonly number[],
): Promise<ProviderConfig[]> {
  const candidates = engineCandidates().filter(({ port }) => !ownPorts.includes(port));
  const answers = await Promise.allSettled(
    candidates.map(({ config }) => fetchModels(create(config), TIMEOUT_MS)),
  );
  return candidates.flatMap(({ config, ownedBy }, index) => {
    const answer = answers[index];
    if (answer?.status !== 'fulfilled' || answer.value.length === 0) return [];
    // An engine that leaves no mark is not told apart from others, so it has to be configured.
    const matches = ownedBy !== undefined && answer.value.some((model) => model.ownedBy === ownedBy);
    return matches ? [config] : [];
  });
}
