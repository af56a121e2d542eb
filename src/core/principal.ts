import type { SubjectLimits } from './limit.ts';
import type { TenantResidency } from './region.ts';
import type { TenantCachePolicy } from './tenant-cache-policy.ts';

/** Restrictions of an API key. An absent list allows everything. */
export interface KeyScopes {
  /** Model names as clients send them; a trailing `*` matches any rest. */
  readonly models?: readonly string[] | undefined;
  /** Paths of endpoints, such as `/v1/chat/completions`; a trailing `*` matches any rest. */
  readonly endpoints?: readonly string[] | undefined;
  /** Client addresses or networks (CIDR). */
  readonly addresses?: readonly string[] | undefined;
  /** The most output tokens of one request. */
  readonly max_output_tokens?: number | undefined;
}

/** The authenticated caller of a request. Every read and write of tenant data starts from it. */
export interface Principal {
  readonly kind: 'admin' | 'api_key';
  readonly tenant: string;
  /** Id of the key, for logs and audit. */
  readonly keyId: string;
  readonly keyName: string;
  /** Id of the user or service account that owns the key. */
  readonly member?: string | undefined;
  /** The tenant's tier, for metrics; `none` when it has none. */
  readonly tier: string;
  readonly scopes?: KeyScopes | undefined;
  /** Limits of the key, its owner and its tenant. */
  readonly limits: readonly SubjectLimits[];
  /** Share of the tenant in the admission queue; 1 when absent. */
  readonly weight?: number;
  /** The most output tokens of one request, by the key or the tenant. */
  readonly outputLimit?: { readonly max: number; readonly of: string } | undefined;
  /** The tenant's responses have `metadata`. */
  readonly wantsMetadata?: boolean;
  /** Each of the tenant's requests is an entry of its audit trail. */
  readonly auditsRequests?: boolean;
  /** Prompts and responses of the tenant are logged. */
  readonly logsRequests?: boolean;
  /** Where the tenant's data may be; undefined for everywhere. */
  readonly residency?: TenantResidency | undefined;
  /** Limits of tags, by tag. */
  readonly tagLimits?: ReadonlyMap<string, SubjectLimits> | undefined;
  /** What the tenant permits of the cache; everything when absent. */
  readonly cache?: TenantCachePolicy | undefined;
  /** Guardrails that the tenant and the key add to those of the gateway; undefined for none. */
  readonly guardrails?: GuardrailDocuments | undefined;
}

/** Guardrails of a tenant and a key, as they are stored: see `src/config/guardrail-schema.ts`. */
export interface GuardrailDocuments {
  readonly tenant?: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly key?: readonly Readonly<Record<string, unknown>>[] | undefined;
}

/** The tenant that the admin key and every key of a single-tenant installation belong to. */
export const DEFAULT_TENANT = 'default';
