import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
import { api, pathOf } from './api.ts';

/** The caller, as `GET /admin/v1/me` describes it. */
export interface Me {
  readonly id: string;
  readonly name: string;
  readonly platform_admin: boolean;
  readonly tenants: Readonly<
    Record<string, { readonly role: string; readonly permissions: readonly string[] }>
  >;
}

export interface TenantSummary {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly time_zone?: string;
}

interface SessionValue {
  readonly me: Me;
  /** Tenants that the caller may see: the first ones, and the chosen one. */
  readonly tenants: readonly TenantSummary[];
  /** There are others, which a search finds. */
  readonly areTenantsMore: boolean;
  /** The tenant that pages show; undefined for all of the platform. */
  readonly tenant: string | undefined;
  readonly selectTenant: (tenant: string | undefined) => void;
  /** Whether the caller has a permission: in a tenant, or on the platform. The server checks it again. */
  readonly can: (permission: string, tenant?: string) => boolean;
  readonly signOut: () => Promise<void>;
}

const SessionContext = createContext<SessionValue | undefined>(undefined);
const TENANT = 'weir-tenant';

export const meQuery = { queryKey: ['me'], queryFn: () => api.get<Me>('/admin/v1/me'), staleTime: 60_000 };

/** Provides the session to all pages. Its children are shown once the caller is known. */
export function SessionProvider({ me, children }: { readonly me: Me; readonly children: ReactNode }) {
  const client = useQueryClient();
  const [chosen, setChosen] = useState(() => localStorage.getItem(TENANT) ?? undefined);
  const { data } = useQuery({
    queryKey: ['tenants', 'all'],
    queryFn: () =>
      api.get<{ data: readonly TenantSummary[]; has_more: boolean }>('/admin/v1/tenants', {
        query: { limit: 200 },
      }),
    enabled: me.platform_admin,
    staleTime: 60_000,
  });
  const isElsewhere =
    data !== undefined && chosen !== undefined && !data.data.some(({ id }) => id === chosen);
  // There are more tenants than the list has.
  const { data: elsewhere, isPending: isSought } = useQuery({
    queryKey: ['tenants', 'chosen', chosen],
    queryFn: () => api.get<TenantSummary>(pathOf('/admin/v1/tenants', chosen ?? '')),
    enabled: isElsewhere && data.has_more,
    staleTime: 60_000,
  });
  const tenants = useMemo(() => {
    const listed = data?.data ?? Object.keys(me.tenants).map((id) => ({ id, name: id, status: 'active' }));
    return isElsewhere && elsewhere ? [...listed, elsewhere] : listed;
  }, [data, me, isElsewhere, elsewhere]);
  const areTenantsMore = data?.has_more ?? false;
  const first = me.platform_admin ? undefined : tenants[0]?.id;
  const isKnown = chosen !== undefined && tenants.some(({ id }) => id === chosen);
  // The chosen tenant is taken for known until the list says otherwise: pages would read what concerns all tenants first.
  const isUnsettled = me.platform_admin && (data === undefined || (isElsewhere && data.has_more && isSought));
  const tenant = isKnown || isUnsettled ? chosen : first;
  const selectTenant = useCallback((id: string | undefined) => {
    if (id === undefined) localStorage.removeItem(TENANT);
    else localStorage.setItem(TENANT, id);
    setChosen(id);
  }, []);
  const can = useCallback(
    (permission: string, of?: string) =>
      me.platform_admin || (of !== undefined && (me.tenants[of]?.permissions.includes(permission) ?? false)),
    [me],
  );
  const signOut = useCallback(async () => {
    await api.post('/v1/auth/sign-out');
    client.clear();
    location.assign('/console/sign-in');
  }, [client]);
  const value = useMemo(
    () => ({ me, tenants, areTenantsMore, tenant, selectTenant, can, signOut }),
    [me, tenants, areTenantsMore, tenant, selectTenant, can, signOut],
  );
  return <SessionContext value={value}>{children}</SessionContext>;
}

export function useSession(): SessionValue {
  const value = useContext(SessionContext);
  if (!value) throw new Error('This component must be inside SessionProvider.');
  return value;
}
