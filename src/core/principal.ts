/** Who a request acts for. Every read and write of a tenant's data starts from here. */
export interface Principal {
  readonly kind: 'admin' | 'api_key';
  readonly tenant: string;
  /** Identifies the key in logs and audit; never the key itself. */
  readonly keyId: string;
  readonly keyName: string;
}

/** The tenant that the admin key and every key of a single-tenant installation belong to. */
export const DEFAULT_TENANT = 'default';
