import { join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { isRecord } from '../../core/json.ts';
import { SecretError, type SecretStore } from '../secret-store.ts';
import { refusal } from '../store-client.ts';
import { readSecretFile } from './local-stores.ts';
import type { StoreTools } from './tools.ts';

/**
 * `k8s://namespace/secret#key`: a Secret of Kubernetes, read through the API server with the service account of the pod.
 * Without a namespace, it is that of the pod.
 *
 * @see https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
export function createKubernetesStore(
  { address, folder }: Config['secrets']['kubernetes'],
  { env, clientFor }: StoreTools,
): SecretStore {
  const host = env.KUBERNETES_SERVICE_HOST?.trim();
  const port = env.KUBERNETES_SERVICE_PORT_HTTPS?.trim() || env.KUBERNETES_SERVICE_PORT?.trim() || '443';
  const base = address ?? (host ? `https://${host.includes(':') ? `[${host}]` : host}:${port}` : undefined);
  if (base === undefined) {
    throw new SecretError('this is no pod of Kubernetes: set "secrets.kubernetes.address"');
  }
  const ca = base.startsWith('https:') ? join(folder, 'ca.crt') : null;
  return {
    async read({ parts }, signal) {
      // The kubelet replaces the token before it expires.
      const token = (await readSecretFile(join(folder, 'token'))).trim();
      const [first = '', second] = parts;
      const namespace =
        second === undefined ? (await readSecretFile(join(folder, 'namespace'))).trim() : first;
      const name = second ?? first;
      const path = `namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(name)}`;
      const request = {
        method: 'GET',
        url: `${base}/api/v1/${path}`,
        headers: { authorization: `Bearer ${token}` },
      } as const;
      const response = await clientFor(ca).send(request, [token], signal);
      if (response.status !== 200) throw refusal(request, response);
      const data = isRecord(response.json.data) ? response.json.data : {};
      const fields = Object.entries(data).map(([key, value]) => [
        key,
        typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : value,
      ]);
      return { kind: 'fields', fields: Object.fromEntries(fields) };
    },
  };
}
