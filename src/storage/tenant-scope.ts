/** Whose data a query may see. There is no reading or writing of a tenant's data without one. */
export interface TenantScope {
  readonly tenant: string;
}
