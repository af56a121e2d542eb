/** Where routes are, and who may use them. */
export interface RoutePlace {
  readonly base: '/admin/v1/tenants/:tenant' | '/admin/v1';
  readonly whose: string;
  readonly read: 'alerts:read' | 'platform:read';
  readonly write: 'alerts:write' | 'platform:write';
}

/** @returns the tenant of a path; null for the platform */
export const ownerIn = ({ tenant }: { readonly tenant: string }): string | null =>
  tenant === '' ? null : tenant;
