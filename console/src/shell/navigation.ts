/** A page in the rail. */
export interface NavigationItem {
  readonly to: string;
  readonly label: string;
  /** Key after `g` that opens it. */
  readonly key: string;
  /** It shows the state of the platform. */
  readonly isForOperators?: boolean;
}

export const NAVIGATION: readonly NavigationItem[] = [
  { to: '/overview', label: 'Overview', key: 'o' },
  { to: '/playground', label: 'Playground', key: 'p' },
  { to: '/requests', label: 'Requests', key: 'r' },
  { to: '/batches', label: 'Batches', key: 'b' },
  { to: '/usage', label: 'Usage', key: 'u' },
  { to: '/invoices', label: 'Invoices', key: 'i' },
  { to: '/models', label: 'Models', key: 'm', isForOperators: true },
  { to: '/tenants', label: 'Tenants', key: 't' },
  { to: '/policies', label: 'Policies', key: 'l' },
  { to: '/alerts', label: 'Alerts', key: 'a' },
  { to: '/events', label: 'Events', key: 'e' },
  { to: '/exports', label: 'Exports', key: 'x' },
  { to: '/settings', label: 'Settings', key: 's' },
  { to: '/welcome', label: 'Set up', key: 'w' },
];
