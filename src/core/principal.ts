import type { SubjectLimits } from './limit.ts';

/** What a key is for, where it is not for everything. An absent list allows all. */
export interface KeyScopes {
  /** Models by the names that clients send; `*` at the end stands for anything. */
  readonly models?: readonly string[] | undefined;
  /** Endpoints by their paths, such as `/v1/chat/completions`; `*` at the end stands for anything. */
  readonly endpoints?: readonly string[] | undefined;
  /** Addresses or networks (CIDR) that it may be used from. */
  readonly addresses?: readonly string[] | undefined;
}

/** Who a request acts for. Every read and write of a tenant's data starts from here. */
export interface Principal {
  readonly kind: 'admin' | 'api_key';
  readonly tenant: string;
  /** Identifies the key in logs and audit; never the key itself. */
  readonly keyId: string;
  readonly keyName: string;
  /** The person or service account that the key belongs to. */
  readonly member?: string | undefined;
  /** The tenant's tier, for metrics; `none` where it has none. */
  readonly tier: string;
  readonly scopes?: KeyScopes | undefined;
  /** All that limits it: of the key, of its member, of the tenant. Empty where nothing does. */
  readonly limits: readonly SubjectLimits[];
  /** Its tenant's part of places at busy models; 1 is the usual. */
  readonly weight?: number;
  /** Limits of tags, by tag. */
  readonly tagLimits?: ReadonlyMap<string, SubjectLimits> | undefined;
}

/** The tenant that the admin key and every key of a single-tenant installation belong to. */
export const DEFAULT_TENANT = 'default';
