import { z } from 'zod';
import { baseUrl, duration, list, nullable, secret, section, text } from './fields.ts';

const MAX_PATH = 4_096;
const path = () => nullable(text(MAX_PATH));

/** What the admin API may refer to: not the files and variables of this machine. */
const ADMIN_REFERENCES = ['vault://', 'aws-sm://', 'gcp-sm://', 'azure-kv://', 'k8s://'];

/** The section `secrets`: the stores that references are read from. */
export const secrets = () =>
  section({
    refresh: nullable(duration(1))
      .prefault('5m')
      .describe(
        'How often references are read again, with up to a tenth of this time more or less. A changed secret is used at once. Null: only at the start and when the configuration changes.',
      ),
    timeout: duration(1).prefault('5s').describe('The timeout of one request to a store.'),
    start_timeout: duration(1)
      .prefault('30s')
      .describe('How long the start tries again while a store is unreachable or overloaded.'),
    admin_references: list(text(MAX_PATH))
      .prefault(ADMIN_REFERENCES)
      .describe(
        'What references of providers that the admin API stores must begin with, such as `vault://secret/weir/`. By default they may name every secret of the remote stores, and neither files nor variables. An empty list allows none.',
      ),
    vault: vault().describe('HashiCorp Vault or OpenBao, for `vault://`.'),
    aws: aws().describe(
      'AWS Secrets Manager, for `aws-sm://`. Without keys, credentials come from the environment, the shared profile, the container or the instance.',
    ),
    gcp: gcp().describe(
      'Google Secret Manager, for `gcp-sm://`. Without a service account, tokens come from the metadata server.',
    ),
    azure: azure().describe(
      'Azure Key Vault, for `azure-kv://`. Without an application, tokens come from workload identity or the managed identity.',
    ),
    kubernetes: kubernetes().describe(
      'Secrets of Kubernetes, for `k8s://`. By default with the service account of the pod.',
    ),
  });

const vault = () =>
  section({
    address: nullable(baseUrl()).describe('Its address; null for `VAULT_ADDR`.'),
    namespace: nullable(text(500)).describe('The namespace (Enterprise); null for `VAULT_NAMESPACE`.'),
    kv: z
      .enum(['auto', '1', '2'])
      .prefault('auto')
      .describe(
        'The version of the key/value engine: `auto` asks the server. With `1` or `2`, the first part of the path is the mount.',
      ),
    ca: path().describe('A PEM file with its certificate authority; null for `VAULT_CACERT`.'),
    auth: z.enum(['token', 'approle', 'kubernetes']).prefault('token').describe('How Weir signs in.'),
    auth_mount: nullable(text(200)).describe(
      'Where the auth method is mounted; null for `approle` or `kubernetes`.',
    ),
    token: nullable(secret()).describe(
      'With `token`: the token, preferably `file://` of a file that Vault Agent renews, or `env://`. It is read again at each refresh. Null for `VAULT_TOKEN`.',
    ),
    role_id: nullable(text(500)).describe('With `approle`: the RoleID.'),
    secret_id: nullable(secret()).describe('With `approle`: the SecretID, as `file://` or `env://`.'),
    role: nullable(text(500)).describe('With `kubernetes`: the role.'),
    jwt_file: text(MAX_PATH)
      .prefault('/var/run/secrets/kubernetes.io/serviceaccount/token')
      .describe('With `kubernetes`: the file of the service account token.'),
  });

const aws = () =>
  section({
    region: nullable(text(100)).describe(
      'The region; null for that of the ARN, else `AWS_REGION` or `AWS_DEFAULT_REGION`.',
    ),
    endpoint: nullable(baseUrl()).describe('The address of the service, such as a VPC endpoint.'),
    access_key_id: nullable(text(200)).describe('The access key.'),
    secret_access_key: nullable(secret()).describe('Its secret, as `file://` or `env://`.'),
    session_token: nullable(secret()).describe('The session token of temporary credentials.'),
  });

const gcp = () =>
  section({
    endpoint: nullable(baseUrl()).describe('The address of the service.'),
    service_account: path().describe('The JSON file of a service account key.'),
    metadata: baseUrl()
      .prefault('http://metadata.google.internal')
      .describe('The address of the metadata server.'),
  });

const azure = () =>
  section({
    tenant_id: nullable(text(200)).describe('The directory of the application; null for `AZURE_TENANT_ID`.'),
    client_id: nullable(text(200)).describe(
      'The application, or the client id of a user-assigned identity; null for `AZURE_CLIENT_ID`.',
    ),
    client_secret: nullable(secret()).describe('The client secret, as `file://` or `env://`.'),
    authority: nullable(baseUrl()).describe(
      'The sign-in service; null for `AZURE_AUTHORITY_HOST`, else that of the public cloud.',
    ),
    endpoint: nullable(baseUrl()).describe(
      'The address of the vault, instead of `https://<vault>.vault.azure.net`.',
    ),
    metadata: baseUrl()
      .prefault('http://169.254.169.254')
      .describe('The address of the instance metadata service.'),
  });

const kubernetes = () =>
  section({
    address: nullable(baseUrl()).describe(
      'The API server; null for `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT_HTTPS`.',
    ),
    folder: text(MAX_PATH)
      .prefault('/var/run/secrets/kubernetes.io/serviceaccount')
      .describe('The folder with the files `token`, `ca.crt` and `namespace`.'),
  });
