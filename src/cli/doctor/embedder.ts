import { dataFolder } from '../../app/database-servers.ts';
import { embedderFolder, loadEmbedder } from '../../cache/embedders/embedder-files.ts';
import type { Config } from '../../config/schema.ts';
import { type Finding, messageOf } from './finding.ts';

/** Whether the built-in embedder is installed, where the semantic cache uses it. */
export async function checkEmbedder(config: Config): Promise<Finding[]> {
  const semantic = config.cache?.semantic;
  if (!semantic || semantic.embedder !== null) return [];
  try {
    await loadEmbedder(embedderFolder(dataFolder(config)));
    return [{ check: 'embedder', level: 'ok', message: 'the built-in embedder is installed' }];
  } catch (error) {
    const advice = 'Requests go on without the semantic cache until `weir models pull embedder` has run.';
    return [{ check: 'embedder', level: 'warning', message: messageOf(error), advice }];
  }
}
