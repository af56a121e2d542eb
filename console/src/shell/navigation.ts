/** A page in the rail. */
export interface NavigationItem {
  readonly to: string;
  readonly label: string;
  /** Key after `g` that opens it. */
  readonly key: string;
  /** Shown to those with one of these permissions in the tenant, or on the platform; to everybody when absent. */
  readonly permissions?: readonly string[];
}

export const NAVIGATION: readonly NavigationItem[] = [
  { to: '/playground', label: 'Playground', key: 'p' },
  { to: '/tenants', label: 'Tenants', key: 't' },
];
