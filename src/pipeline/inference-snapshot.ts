import type { DispatchSettings } from '../dispatch/options.ts';
import type { Provider } from '../providers/types.ts';
import type { ModelDirectory } from '../routing/directory.ts';

/** What one configuration decides about inference. Replaced as a whole; a request keeps the one that it began with. */
export interface InferenceSnapshot extends DispatchSettings {
  readonly directory: ModelDirectory;
  readonly providers: readonly Provider[];
  readonly limits: DispatchSettings['limits'] & {
    /** Milliseconds. */
    readonly maxRequestMs: number;
  };
}
