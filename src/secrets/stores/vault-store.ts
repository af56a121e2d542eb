import type { Config } from '../../config/schema.ts';
import type { SecretReference } from '../../config/secret-reference.ts';
import { isRecord } from '../../core/json.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import { CachedTokenSource, type FetchedToken, type TokenSource } from '../../providers/oauth-tokens.ts';
import { meaningful } from '../../providers/upstream-error.ts';
import { type SecretDocument, SecretError, type SecretStore } from '../secret-store.ts';
import { refusal, type StoreClient, signIn } from '../store-client.ts';
import { readSecretFile } from './local-stores.ts';
import type { StoreTools } from './tools.ts';

type Settings = Config['secrets']['vault'];

/** A token that does not expire is used for this long before the sign-in is repeated. Seconds. */
const NO_EXPIRY = 86_400;

/** Where the secrets of a mount are, and in which form. */
interface Mount {
  readonly path: string;
  readonly version: 1 | 2;
}

/**
 * `vault://mount/path#key`: the key/value engines of HashiCorp Vault and OpenBao, versions 1 and 2.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
 * @see https://developer.hashicorp.com/vault/api-docs/auth/approle
 * @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes
 */
export function createVaultStore(settings: Settings, { env, clientFor, clock }: StoreTools): SecretStore {
  const address = (settings.address ?? env.VAULT_ADDR?.trim())?.replace(/\/+$/, '');
  if (!address || !/^https?:\/\/[^/?#\s]/.test(address)) {
    throw new SecretError('the address of Vault is missing: set "secrets.vault.address" or VAULT_ADDR');
  }
  const ca = settings.ca ?? (env.VAULT_CACERT?.trim() || null);
  return new VaultStore(settings, {
    client: () => clientFor(ca),
    address,
    namespace: settings.namespace ?? (env.VAULT_NAMESPACE?.trim() || null),
    staticToken: settings.token ?? (env.VAULT_TOKEN?.trim() || null),
    now: clock,
  });
}

interface VaultParts {
  readonly client: () => StoreClient;
  readonly address: string;
  readonly namespace: string | null;
  readonly staticToken: string | null;
  readonly now: StoreTools['clock'];
}

class VaultStore implements SecretStore {
  readonly #mounts = new Map<string, Mount>();
  #tokens: TokenSource;

  constructor(
    private readonly settings: Settings,
    private readonly parts: VaultParts,
  ) {
    this.#tokens = this.#tokenSource();
  }

  async read(reference: SecretReference, signal: AbortSignal): Promise<SecretDocument> {
    try {
      return await this.#read(reference, signal);
    } catch (error) {
      // A token may have been revoked before it expires: one sign-in more.
      if (this.settings.auth === 'token' || !(error instanceof DeniedError)) throw error;
      this.#tokens = this.#tokenSource();
      return this.#read(reference, signal);
    }
  }

  async #read({ parts, options }: SecretReference, signal: AbortSignal): Promise<SecretDocument> {
    const token = await signIn(() => this.#tokens.token());
    const mount = await this.#mountOf(parts, token, signal);
    const inner = parts.slice(mount.path.split('/').length);
    if (inner.length === 0) throw new SecretError(`"${mount.path}" is a mount; add the path of a secret`);
    const path = [...mount.path.split('/'), ...(mount.version === 2 ? ['data'] : []), ...inner];
    const version = options.version;
    if (version !== undefined && mount.version === 1) {
      throw new SecretError(`the mount "${mount.path}" has no versions (KV version 1)`);
    }
    const query = version === undefined ? '' : `?version=${encodeURIComponent(version)}`;
    const { data, lease } = await this.#get(
      `${path.map(encodeURIComponent).join('/')}${query}`,
      token,
      signal,
    );
    if (lease !== undefined) {
      throw new SecretError(
        'the secret has a lease, so that each read makes another one; use a key/value engine',
      );
    }
    const fields = mount.version === 2 ? data.data : data;
    if (!isRecord(fields)) throw new SecretError(`version ${version ?? 'latest'} of the secret is deleted`);
    return { kind: 'fields', fields };
  }

  /** As the command line of Vault finds out: the server names the mount of a path, and its version. */
  async #mountOf(parts: readonly string[], token: string, signal: AbortSignal): Promise<Mount> {
    const [first = ''] = parts;
    if (this.settings.kv !== 'auto') return { path: first, version: this.settings.kv === '2' ? 2 : 1 };
    const known = [...this.#mounts.values()].find(({ path }) => `${parts.join('/')}/`.startsWith(`${path}/`));
    if (known) return known;
    const path = parts.map(encodeURIComponent).join('/');
    const { data } = await this.#get(`sys/internal/ui/mounts/${path}`, token, signal);
    const mounted = meaningful(data.path)?.replace(/\/+$/, '');
    if (mounted === undefined) throw new SecretError(`no secret engine is mounted at "${first}"`);
    const version = isRecord(data.options) && String(data.options.version) === '2' ? 2 : 1;
    const mount: Mount = { path: mounted, version };
    this.#mounts.set(mounted, mount);
    return mount;
  }

  async #get(path: string, token: string, signal: AbortSignal) {
    const request = this.#request('GET', path, { 'x-vault-token': token });
    const response = await this.parts.client().send(request, [token], signal);
    if (response.status === 404) {
      throw new SecretError(
        `there is no such secret${response.reason === 'no reason given' ? '' : `: ${response.reason}`}`,
      );
    }
    if (response.status === 403) throw new DeniedError(refusal(request, response).message);
    if (response.status !== 200) throw refusal(request, response);
    const { data, lease_id: lease } = response.json;
    return { data: isRecord(data) ? data : {}, lease: meaningful(lease) };
  }

  #request(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body?: unknown,
  ): UpstreamRequest {
    const { address, namespace } = this.parts;
    return {
      method,
      url: `${address}/v1/${path}`,
      headers: {
        'x-vault-request': 'true',
        ...(namespace === null ? {} : { 'x-vault-namespace': namespace }),
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
  }

  #tokenSource(): TokenSource {
    if (this.settings.auth === 'token') {
      const { staticToken } = this.parts;
      return {
        token: () => {
          if (staticToken !== null) return staticToken;
          throw new SecretError('the token of Vault is missing: set "secrets.vault.token" or VAULT_TOKEN');
        },
      };
    }
    return new CachedTokenSource(() => this.#login(), this.parts.now);
  }

  async #login(): Promise<FetchedToken> {
    const { auth, auth_mount: mount, role_id, secret_id, role, jwt_file } = this.settings;
    const body =
      auth === 'approle'
        ? { role_id, ...(secret_id === null ? {} : { secret_id }) }
        : { role, jwt: (await readSecretFile(jwt_file)).trim() };
    const named = auth === 'approle' ? role_id : role;
    if (named === null) {
      const key = auth === 'approle' ? 'role_id' : 'role';
      throw new SecretError(`"secrets.vault.${key}" is missing, which the sign-in with ${auth} requires`);
    }
    const path = (mount ?? auth).split('/').map(encodeURIComponent).join('/');
    const request = this.#request('POST', `auth/${path}/login`, {}, body);
    const credentials = 'jwt' in body ? [body.jwt] : [secret_id ?? undefined];
    const response = await this.parts.client().send(request, credentials);
    if (response.status !== 200) {
      const { message, retryable } = refusal(request, response);
      throw new SecretError(`sign-in failed: ${message}`, retryable);
    }
    const given = isRecord(response.json.auth) ? response.json.auth : {};
    const token = meaningful(given.client_token);
    if (token === undefined) throw new SecretError('sign-in failed: the response has no client_token');
    const seconds = Number(given.lease_duration);
    return { token, expiresInSeconds: seconds > 0 ? seconds : NO_EXPIRY };
  }
}

/** The token is not accepted, or its policies do not allow the read. */
class DeniedError extends SecretError {}
