import type { Config } from '../config/schema.ts';
import type { PromptCachingSettings } from '../dispatch/prompt-caching.ts';

interface ModelSettings extends PromptCachingSettings {
  /** Milliseconds for which a target with a warm cache is preferred; 0 for not at all. */
  readonly stickyMs: number;
}

/** @returns the settings of a model, or of a name that is not configured; undefined where prompt caching is off */
export function promptCachingOf({
  prompt_caching: all,
  models,
}: Pick<Config, 'prompt_caching' | 'models'>): (model: string) => ModelSettings | undefined {
  if (!all) return () => undefined;
  const settings = { breakpoints: all.breakpoints, keys: all.keys, stickyMs: all.sticky };
  const off = new Set(models.flatMap((model) => (model.prompt_caching ? [] : [model.id])));
  return (model) => (off.has(model) ? undefined : settings);
}
