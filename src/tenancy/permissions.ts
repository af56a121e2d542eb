/** All permissions, with their descriptions in the admin API. `ROLE_PERMISSIONS` assigns them to roles. */
export const PERMISSIONS = {
  'inference:use': 'Send requests to models.',
  'tenant:read': 'See the tenant and its limits.',
  'tenant:write': 'Change the tenant’s name and time zone.',
  'limits:write': 'Change limits, quotas and budgets within the tenant.',
  'members:read': 'See the members of the tenant.',
  'members:write': 'Invite, change and remove members and service accounts.',
  'owners:write': 'Appoint owners, and change or remove them.',
  'keys:read': 'See all API keys (never their secrets).',
  'keys:write': 'Create, change, rotate and revoke any API key.',
  'keys:own': 'Create, change, rotate and revoke one’s own API keys.',
  'usage:read': 'See usage and cost.',
  'requests:read': 'See the requests of all members, and what is logged of them; without it, one’s own.',
  'billing:read': 'See budgets, prices and invoices.',
  'billing:write': 'Change budgets and billing details.',
  'invoices:write': 'Set prices and taxes; close months; issue, void and credit invoices.',
  'audit:read': 'See the audit trail.',
  'events:read': 'See durable events, webhooks and their deliveries.',
  'webhooks:write': 'Create, change and delete webhooks; trigger test events.',
  'alerts:read': 'See alerts, their rules, silences and receivers (never their secrets).',
  'alerts:write': 'Change rules, silences and receivers of alerts.',
  'tenants:list': 'See all tenants.',
  'tenants:create': 'Create tenants.',
  'tenants:delete': 'Delete tenants with their data.',
  'tenants:assign': 'Change a tenant’s tier, status and own limits.',
  'users:read': 'See all users.',
  'users:write': 'Create, change and delete users.',
  'platform:read': 'See the state of targets, engines and experiments.',
  'platform:write': 'Control targets, engines and experiments; create admin keys.',
} as const satisfies Record<string, string>;

export type Permission = keyof typeof PERMISSIONS;

/** Roles within a tenant, from most to fewest permissions. */
export const ROLES = ['owner', 'admin', 'developer', 'billing', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

const VIEWER: readonly Permission[] = ['tenant:read', 'members:read', 'usage:read', 'alerts:read'];
const DEVELOPER: readonly Permission[] = [...VIEWER, 'inference:use', 'keys:own', 'keys:read'];
const BILLING: readonly Permission[] = [...VIEWER, 'billing:read', 'billing:write'];
const ADMIN: readonly Permission[] = [
  ...new Set([...DEVELOPER, ...BILLING]),
  'tenant:write',
  'limits:write',
  'members:write',
  'keys:write',
  'audit:read',
  'requests:read',
  'events:read',
  'webhooks:write',
  'alerts:write',
];
const OWNER: readonly Permission[] = [...ADMIN, 'owners:write'];

export const ROLE_PERMISSIONS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  owner: new Set(OWNER),
  admin: new Set(ADMIN),
  developer: new Set(DEVELOPER),
  billing: new Set(BILLING),
  viewer: new Set(VIEWER),
};
