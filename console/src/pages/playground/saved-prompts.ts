import { useQuery } from '@tanstack/react-query';
import { api } from '../../lib/api.ts';
import type { PromptContent } from './draft.ts';

/** A row of the list of saved prompts. */
export interface PromptSummary {
  readonly id: string;
  readonly name: string;
  readonly model: string | null;
  readonly latest: number;
  readonly created_by: string;
  readonly saved_by_name: string;
  readonly updated_at: string;
}

export interface PromptVersion {
  readonly number: number;
  readonly model: string | null;
  readonly saved_by_name: string;
  readonly saved_at: string;
}

export interface SavedPrompt extends PromptSummary, PromptContent {
  readonly shown: PromptVersion;
  /** False for a prompt that another installation sealed. */
  readonly readable: boolean;
}

/** A prompt as it was read, with the version that a change of it names. */
export interface LoadedPrompt {
  readonly prompt: SavedPrompt;
  readonly etag: string | undefined;
}

export const promptsPath = (tenant: string) => `/admin/v1/tenants/${tenant}/prompts`;

/** Reads a saved prompt; nothing while there is no id. */
export function useSavedPrompt(tenant: string, id: string | undefined, version: string | undefined) {
  return useQuery({
    queryKey: ['prompt', tenant, id, version],
    queryFn: async (): Promise<LoadedPrompt> => {
      const path = `${promptsPath(tenant)}/${encodeURIComponent(id ?? '')}`;
      const { data, etag } = await api.request<SavedPrompt>('GET', path, { query: { version } });
      return { prompt: data, etag };
    },
    enabled: id !== undefined,
    // What is edited is not read again behind it.
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
}
