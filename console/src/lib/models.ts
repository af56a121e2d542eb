import { useQuery } from '@tanstack/react-query';
import { api } from './api.ts';
import { useSession } from './session.tsx';

interface ModelList {
  readonly data: readonly {
    readonly id: string;
    readonly capabilities?: Readonly<Record<string, unknown>>;
    /** Absent where no price is known. */
    readonly pricing?: unknown;
  }[];
}

function useModels<T>(tenant: string, refetchMs: number | false, select: (list: ModelList) => T) {
  const { can } = useSession();
  return useQuery({
    queryKey: ['models of a tenant', tenant],
    queryFn: async (): Promise<ModelList> => {
      const response = await api.raw('GET', '/v1/models', { headers: { 'x-weir-tenant': tenant } });
      return response.json();
    },
    select,
    enabled: can('inference:use', tenant),
    refetchInterval: refetchMs,
    retry: false,
  });
}

const chatNames = ({ data }: ModelList) =>
  data.filter(({ capabilities }) => !capabilities?.embeddings && !capabilities?.rerank).map(({ id }) => id);

/** Reads the names of models that a tenant can chat with, repeatedly where a new one is expected. */
export const useChatModels = (tenant: string, refetchMs: number | false = false) =>
  useModels(tenant, refetchMs, chatNames);

/** Says whether requests for a model cost something; undefined until it is known. */
export function useHasPrice(tenant: string, model: string): boolean | undefined {
  const { data } = useModels(tenant, false, (list) => list);
  const found = data?.data.find(({ id }) => id === model);
  return found && found.pricing !== undefined;
}

/** @returns a model for an example: keys may use the simulator only where nothing else is */
export function exampleModel(names: readonly string[] | undefined): string {
  return names?.find((name) => !name.startsWith('simulator')) ?? 'simulator';
}
