import { useQuery } from '@tanstack/react-query';
import { api } from './api.ts';
import { useSession } from './session.tsx';

interface ModelList {
  readonly data: readonly {
    readonly id: string;
    readonly capabilities?: Readonly<Record<string, unknown>>;
  }[];
}

/** Reads the names of models that a tenant can chat with, repeatedly where a new one is expected. */
export function useChatModels(tenant: string, refetchMs: number | false = false) {
  const { can } = useSession();
  return useQuery({
    queryKey: ['names of chat models', tenant],
    queryFn: async () => {
      const response = await api.raw('GET', '/v1/models', { headers: { 'x-weir-tenant': tenant } });
      const { data }: ModelList = await response.json();
      return data
        .filter(({ capabilities }) => !capabilities?.embeddings && !capabilities?.rerank)
        .map(({ id }) => id);
    },
    enabled: can('inference:use', tenant),
    refetchInterval: refetchMs,
    retry: false,
  });
}

/** @returns a model for an example: keys may use the simulator only where nothing else is */
export function exampleModel(names: readonly string[] | undefined): string {
  return names?.find((name) => !name.startsWith('simulator')) ?? 'simulator';
}
