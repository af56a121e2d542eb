/** The tenant whose data a query may access. Every read and write of tenant data requires one. */
export interface TenantScope {
  readonly tenant: string;
}
