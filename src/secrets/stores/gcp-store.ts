import type { Config } from '../../config/schema.ts';
import { isRecord } from '../../core/json.ts';
import { CachedTokenSource, type FetchToken, serviceAccountGrant } from '../../providers/oauth-tokens.ts';
import { meaningful } from '../../providers/upstream-error.ts';
import { crc32c } from '../crc32c.ts';
import { SecretError, type SecretStore } from '../secret-store.ts';
import { refusal, type StoreClient, signIn } from '../store-client.ts';
import { readSecretFile } from './local-stores.ts';
import type { StoreTools } from './tools.ts';

type Settings = Config['secrets']['gcp'];

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const TOKEN_PATH = '/computeMetadata/v1/instance/service-accounts/default/token';

/**
 * `gcp-sm://project/secret/version#key`: Google Secret Manager. The version is `latest` when it is left out.
 *
 * @see https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
 */
export function createGcpStore(settings: Settings, tools: StoreTools): SecretStore {
  const client = tools.clientFor(null);
  const tokens = new CachedTokenSource(tokenFetcher(settings, client, tools), tools.clock);
  return {
    async read({ parts }, signal) {
      const token = await signIn(() => tokens.token());
      const { name, location } = resourceOf(parts);
      const service = location === undefined ? 'secretmanager' : `secretmanager.${location}.rep`;
      const base = settings.endpoint ?? `https://${service}.googleapis.com`;
      const headers = { authorization: `Bearer ${token}` };
      const request = { method: 'GET', url: `${base}/v1/${name}:access`, headers } as const;
      const response = await client.send(request, [token], signal);
      if (response.status !== 200) throw refusal(request, response);
      const payload = isRecord(response.json.payload) ? response.json.payload : {};
      if (typeof payload.data !== 'string') throw new SecretError('the secret has no value');
      const bytes = Buffer.from(payload.data, 'base64');
      // The vendor asks clients to compare: a proxy between may have changed the response.
      if (payload.dataCrc32c !== undefined && String(payload.dataCrc32c) !== String(crc32c(bytes))) {
        throw new SecretError('the secret arrived damaged: its checksum differs', true);
      }
      return { kind: 'text', text: bytes.toString('utf8') };
    },
  };
}

function resourceOf(parts: readonly string[]): { readonly name: string; readonly location?: string } {
  const [first, second, third] = parts;
  if (first === 'projects') {
    const full = parts.includes('versions') ? parts : [...parts, 'versions', 'latest'];
    const location = second !== undefined && third === 'locations' ? parts[3] : undefined;
    return { name: full.join('/'), ...(location === undefined ? {} : { location }) };
  }
  return { name: `projects/${first}/secrets/${second}/versions/${third ?? 'latest'}` };
}

function tokenFetcher(settings: Settings, client: StoreClient, tools: StoreTools): FetchToken {
  const { service_account: file } = settings;
  if (file !== null) {
    return async () => {
      const key = await readSecretFile(file);
      return serviceAccountGrant(key, SCOPE, tools.transport, tools.clock)();
    };
  }
  return async () => {
    const url = `${settings.metadata}${TOKEN_PATH}`;
    const request = { method: 'GET', url, headers: { 'metadata-flavor': 'Google' } } as const;
    const response = await client.send(request, []);
    if (response.status !== 200) {
      const { message, retryable } = refusal(request, response);
      throw new SecretError(`no token from the metadata server: ${message}`, retryable);
    }
    const token = meaningful(response.json.access_token);
    const expiresInSeconds = Number(response.json.expires_in);
    if (token === undefined || !(expiresInSeconds > 0)) {
      throw new SecretError('no token from the metadata server: its response has no access_token');
    }
    return { token, expiresInSeconds };
  };
}
