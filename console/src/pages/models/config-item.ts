export type ConfigDocument = Readonly<Record<string, unknown>>;
export type ConfigSection = 'providers' | 'models';

/** Stands for a secret in responses, and in requests for the one that is stored. */
export const HIDDEN = '********';

/** A provider or model, as `GET /admin/v1/providers` and `/models` describe it. */
export interface ConfigItem {
  readonly id: string;
  readonly source: 'file' | 'environment' | 'admin' | 'built-in';
  readonly replaces_file: boolean;
  readonly removed: boolean;
  readonly kind?: string;
  readonly base_url?: string | null;
  readonly document: ConfigDocument | null;
  readonly version: number;
  readonly updated_at: string | null;
}

/** The outcome of asking a provider for its models. */
export interface ProviderTest {
  readonly ok: boolean;
  readonly models: readonly string[];
  readonly model_count: number;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly duration_ms: number;
}

/** @returns the targets of a model's document */
export function targetsOf(
  document: ConfigDocument | null,
): { readonly provider: string; readonly model: string }[] {
  const targets = document?.targets;
  if (!Array.isArray(targets)) return [];
  return targets.map((target) => ({ provider: String(target?.provider), model: String(target?.model) }));
}

/** @returns the members of an item that its form changes, as the API takes them */
export function bodyOf({ document }: Pick<ConfigItem, 'document'>): ConfigDocument {
  const { id: _, ...members } = withoutEmpty(document ?? {});
  return members;
}

/** @returns a document without members that have no value */
export function withoutEmpty(document: ConfigDocument): ConfigDocument {
  return Object.fromEntries(
    Object.entries(document).filter(
      ([, value]) =>
        value !== null &&
        value !== '' &&
        value !== undefined &&
        !(Array.isArray(value) && value.length === 0),
    ),
  );
}
