import { type SecretStoreFixture, StoreServer } from './fixture.ts';

const errors = (status: number, ...messages: string[]) => Response.json({ errors: messages }, { status });

export interface VaultOptions {
  readonly kv: 1 | 2;
  readonly auth: 'token' | 'approle' | 'kubernetes';
  readonly namespace?: string;
  /** With `kubernetes`: the file of the service account token, and its content. */
  readonly jwt?: { readonly file: string; readonly token: string };
}

/** Vault's HTTP API: key/value engines below `secret/`, `auth/<method>/login`, and the question about a mount. */
export function vaultFixture(options: VaultOptions): SecretStoreFixture & { revoke(): void; logins: number } {
  const { kv, auth, namespace, jwt } = options;
  const secrets = new Map<string, Readonly<Record<string, string>>[]>();
  let token = 'hvs.first-token-of-the-store';
  let logins = 0;
  const login = async (request: Request) => {
    const body: Record<string, unknown> = await request.json();
    const accepted =
      auth === 'approle'
        ? body.role_id === 'weir-role' && body.secret_id === 'a-secret-id-0123456789'
        : body.role === 'weir' && body.jwt === jwt?.token;
    if (!accepted) return errors(400, 'invalid role or secret ID');
    logins += 1;
    token = `hvs.token-of-login-${logins}`;
    return Response.json({ auth: { client_token: token, lease_duration: 3600, renewable: true } });
  };
  const server = new StoreServer(async (request, { pathname, searchParams }) => {
    if (request.headers.get('x-vault-request') !== 'true') return errors(400, 'missing X-Vault-Request');
    if ((request.headers.get('x-vault-namespace') ?? undefined) !== namespace) {
      return errors(404, 'no handler for route');
    }
    if (pathname === `/v1/auth/${auth}/login` && request.method === 'POST') return login(request);
    if (request.headers.get('x-vault-token') !== token) return errors(403, 'permission denied');
    if (pathname.startsWith('/v1/sys/internal/ui/mounts/')) {
      const options = kv === 2 ? { version: '2' } : null;
      return Response.json({ data: { path: 'team/secret/', type: 'kv', options } });
    }
    const failed = server.read({
      busy: errors(503, 'Vault is sealed'),
      denied: errors(403, '1 error occurred:\n\t* permission denied\n\n'),
    });
    if (failed) return failed;
    const prefix = kv === 2 ? '/v1/team/secret/data/' : '/v1/team/secret/';
    const versions = pathname.startsWith(prefix) ? secrets.get(pathname.slice(prefix.length)) : undefined;
    const wanted = searchParams.get('version');
    const found = versions?.at(wanted === null ? -1 : Number(wanted) - 1);
    if (!found) return errors(404);
    const data = kv === 2 ? { data: found, metadata: { version: versions?.length } } : found;
    return Response.json({ request_id: 'r', lease_id: '', lease_duration: kv === 1 ? 2_764_800 : 0, data });
  });
  const signIn = {
    token: { token },
    approle: { role_id: 'weir-role', secret_id: 'a-secret-id-0123456789' },
    kubernetes: { role: 'weir', jwt_file: jwt?.file ?? '' },
  }[auth];
  return {
    scheme: 'vault',
    settings: {
      vault: { address: server.url, auth, ...signIn, ...(namespace === undefined ? {} : { namespace }) },
    },
    env: {},
    put: (name, fields) => secrets.set(name, [...(secrets.get(name) ?? []), fields]),
    reference: (name, key) => `vault://team/secret/${name}#${key}`,
    get mode() {
      return server.mode;
    },
    set mode(mode) {
      server.mode = mode;
    },
    get reads() {
      return server.reads;
    },
    get logins() {
      return logins;
    },
    get credentials() {
      return [token, 'a-secret-id-0123456789', jwt?.token ?? token];
    },
    revoke: () => {
      token = 'hvs.token-that-nobody-has';
    },
    close: () => server.close(),
  };
}
