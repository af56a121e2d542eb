import { createHash, createHmac, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importSPKI, jwtVerify } from 'jose';
import { crc32c } from '../../../src/secrets/crc32c.ts';
import { type SecretStoreFixture, StoreServer, temporaryFolder } from './fixture.ts';

type Members = Pick<SecretStoreFixture, 'mode' | 'reads' | 'close'>;

function membersOf(server: StoreServer, onClose: () => void = () => undefined): Members {
  return {
    get mode() {
      return server.mode;
    },
    set mode(mode) {
      server.mode = mode;
    },
    get reads() {
      return server.reads;
    },
    close: () => {
      server.close();
      onClose();
    },
  };
}

/** Copies members with their accessors, which a spread would read. */
function fixture(server: StoreServer, own: Omit<SecretStoreFixture, keyof Members>, onClose?: () => void) {
  const members = membersOf(server, onClose);
  return Object.defineProperties(
    { ...own, mode: members.mode, reads: 0, close: members.close },
    {
      mode: Object.getOwnPropertyDescriptor(members, 'mode') ?? {},
      reads: Object.getOwnPropertyDescriptor(members, 'reads') ?? {},
    },
  ) satisfies SecretStoreFixture;
}

const AWS = { accessKeyId: 'AKIDTEST', secretAccessKey: 'aws-secret-key-0123456789' };

/** Secrets Manager's JSON protocol. The signature of each request is computed again and compared. */
export function awsFixture(): SecretStoreFixture {
  const secrets = new Map<string, string>();
  const error = (type: string, message: string, status = 400) =>
    Response.json({ __type: `com.amazonaws.secretsmanager#${type}`, Message: message }, { status });
  const server = new StoreServer(async (request) => {
    const body = await request.text();
    if (request.headers.get('x-amz-target') !== 'secretsmanager.GetSecretValue') {
      return error('UnknownOperationException', '');
    }
    if (signatureOf(request, body) !== request.headers.get('authorization')) {
      return error('InvalidSignatureException', 'The request signature does not match.', 403);
    }
    const failed = server.read({
      busy: error('ThrottlingException', 'Rate exceeded'),
      denied: error(
        'AccessDeniedException',
        'User is not authorized to perform: secretsmanager:GetSecretValue',
      ),
    });
    if (failed) return failed;
    const { SecretId: id } = JSON.parse(body);
    const found = secrets.get(id);
    if (found === undefined) {
      return error('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
    }
    return Response.json({
      ARN: `arn:aws:secretsmanager:eu-west-1:1:secret:${id}`,
      Name: id,
      SecretString: found,
    });
  });
  return fixture(server, {
    scheme: 'aws-sm',
    settings: {
      aws: {
        region: 'eu-west-1',
        endpoint: server.url,
        access_key_id: AWS.accessKeyId,
        secret_access_key: AWS.secretAccessKey,
      },
    },
    env: {},
    put: (name, fields) => secrets.set(`prod/${name}`, JSON.stringify(fields)),
    reference: (name, key) => `aws-sm://prod/${name}#${key}`,
    credentials: [AWS.secretAccessKey],
  });
}

/**
 * Signature Version 4, computed from the specification and not with the library of the gateway.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
function signatureOf(request: Request, body: string): string {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const signed = /SignedHeaders=([^,]+)/.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  const headers = signed.split(';').map((name) => `${name}:${(request.headers.get(name) ?? '').trim()}\n`);
  const canonical = ['POST', '/', '', headers.join(''), signed, hash(body)].join('\n');
  const time = request.headers.get('x-amz-date') ?? '';
  const date = time.slice(0, 8);
  const scope = `${date}/eu-west-1/secretsmanager/aws4_request`;
  const key = [date, 'eu-west-1', 'secretsmanager', 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${AWS.secretAccessKey}`,
  );
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, hash(canonical)].join('\n')).toString('hex');
  return `AWS4-HMAC-SHA256 Credential=${AWS.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
}

/** Secret Manager's REST API, with tokens of the metadata server or for the signed assertion of a service account. */
export function gcpFixture(signIn: 'metadata' | 'service-account'): SecretStoreFixture {
  const secrets = new Map<string, string>();
  const folder = temporaryFolder();
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const token = 'ya29.token-of-the-test';
  const error = (code: number, status: string, message: string) =>
    Response.json({ error: { code, message, status } }, { status: code });
  const server = new StoreServer(async (request, { pathname }) => {
    if (pathname === '/computeMetadata/v1/instance/service-accounts/default/token') {
      if (request.headers.get('metadata-flavor') !== 'Google') return new Response('', { status: 403 });
      return Response.json({ access_token: token, expires_in: 3599, token_type: 'Bearer' });
    }
    if (pathname === '/token') {
      const form = new URLSearchParams(await request.text());
      const key = await importSPKI(publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'RS256');
      await jwtVerify(form.get('assertion') ?? '', key, { issuer: 'weir@test.iam.gserviceaccount.com' });
      return Response.json({ access_token: token, expires_in: 3599 });
    }
    if (request.headers.get('authorization') !== `Bearer ${token}`) {
      return error(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.');
    }
    const failed = server.read({
      busy: error(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded'),
      denied: error(403, 'PERMISSION_DENIED', "Permission 'secretmanager.versions.access' denied"),
    });
    if (failed) return failed;
    const name = /^\/v1\/(projects\/acme\/secrets\/[\w-]+\/versions\/latest):access$/.exec(pathname)?.[1];
    const found = name === undefined ? undefined : secrets.get(name);
    if (found === undefined) return error(404, 'NOT_FOUND', `Secret [${name}] not found or has no versions.`);
    const bytes = Buffer.from(found);
    return Response.json({
      name,
      payload: { data: bytes.toString('base64'), dataCrc32c: String(crc32c(bytes)) },
    });
  });
  const file = join(folder.path, 'key.json');
  writeFileSync(
    file,
    JSON.stringify({
      type: 'service_account',
      client_email: 'weir@test.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      token_uri: `${server.url}/token`,
    }),
  );
  return fixture(
    server,
    {
      scheme: 'gcp-sm',
      settings: {
        gcp: {
          endpoint: server.url,
          ...(signIn === 'metadata' ? { metadata: server.url } : { service_account: file }),
        },
      },
      env: {},
      put: (name, fields) =>
        secrets.set(`projects/acme/secrets/${name}/versions/latest`, JSON.stringify(fields)),
      reference: (name, key) => `gcp-sm://acme/${name}#${key}`,
      credentials: [token],
    },
    folder.remove,
  );
}

export type AzureSignIn = 'application' | 'workload-identity' | 'managed-identity' | 'app-service';

/** Key Vault's REST API, with tokens of Microsoft Entra, of the instance metadata service, or of App Service. */
export function azureFixture(signIn: AzureSignIn): SecretStoreFixture {
  const secrets = new Map<string, string>();
  const folder = temporaryFolder();
  const token = 'eyJ0.token-of-the-test';
  const error = (status: number, code: string, message: string) =>
    Response.json({ error: { code, message } }, { status });
  const issued = { access_token: token, expires_in: 3599, token_type: 'Bearer' };
  const server = new StoreServer(async (request, { pathname, searchParams }) => {
    if (pathname === '/tenant-1/oauth2/v2.0/token') {
      const form = new URLSearchParams(await request.text());
      const accepted =
        signIn === 'application'
          ? form.get('client_secret') === 'entra-secret-0123456789'
          : form.get('client_assertion') === 'a-federated-token';
      if (!accepted || form.get('scope') !== 'https://vault.azure.net/.default') {
        return Response.json(
          { error: 'invalid_client', error_description: 'AADSTS7000215' },
          { status: 401 },
        );
      }
      return Response.json(issued);
    }
    const isMachine =
      pathname === '/metadata/identity/oauth2/token' && request.headers.get('metadata') === 'true';
    const isAppService =
      pathname === '/msi/token' && request.headers.get('x-identity-header') === 'msi-header';
    if (isMachine || isAppService) {
      const version = isMachine ? '2018-02-01' : '2019-08-01';
      if (
        searchParams.get('api-version') !== version ||
        searchParams.get('resource') !== 'https://vault.azure.net'
      ) {
        return Response.json({ error: 'invalid_request' }, { status: 400 });
      }
      const expires = String(Math.floor(Date.now() / 1000) + 3599);
      return Response.json(
        isMachine ? { ...issued, expires_in: '3599' } : { access_token: token, expires_on: expires },
      );
    }
    if (request.headers.get('authorization') !== `Bearer ${token}`) {
      return error(401, 'Unauthorized', 'AKV10000: Request is missing a Bearer or PoP token.');
    }
    const failed = server.read({
      busy: error(429, 'Throttled', 'Request was not processed because too many requests were received.'),
      denied: error(403, 'Forbidden', 'Caller is not authorized to perform action on resource.'),
    });
    if (failed) return failed;
    const name = /^\/secrets\/([\w-]+)$/.exec(pathname)?.[1] ?? '';
    const found = searchParams.get('api-version') === '7.4' ? secrets.get(name) : undefined;
    if (found === undefined) {
      return error(404, 'SecretNotFound', `A secret with (name/id) ${name} was not found in this key vault.`);
    }
    return Response.json({
      value: found,
      id: `https://acme.vault.azure.net/secrets/${name}/1`,
      attributes: {},
    });
  });
  const assertion = join(folder.path, 'token');
  writeFileSync(assertion, 'a-federated-token\n');
  const application = { tenant_id: 'tenant-1', client_id: 'client-1', authority: server.url };
  const settings = {
    application: { ...application, client_secret: 'entra-secret-0123456789' },
    'workload-identity': application,
    'managed-identity': { metadata: server.url },
    'app-service': {},
  }[signIn];
  const env: Record<string, string> = {};
  if (signIn === 'workload-identity') env.AZURE_FEDERATED_TOKEN_FILE = assertion;
  if (signIn === 'app-service') {
    env.IDENTITY_ENDPOINT = `${server.url}/msi/token`;
    env.IDENTITY_HEADER = 'msi-header';
  }
  return fixture(
    server,
    {
      scheme: 'azure-kv',
      settings: { azure: { endpoint: server.url, ...settings } },
      env,
      put: (name, fields) => secrets.set(name, JSON.stringify(fields)),
      reference: (name, key) => `azure-kv://acme/${name}#${key}`,
      credentials: [token, 'entra-secret-0123456789', 'a-federated-token'],
    },
    folder.remove,
  );
}
