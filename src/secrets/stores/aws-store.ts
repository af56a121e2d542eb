import type { Config } from '../../config/schema.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import { awsSigner, defaultAwsCredentials } from '../../platform/aws-signature.ts';
import { meaningful } from '../../providers/upstream-error.ts';
import { SecretError, type SecretStore } from '../secret-store.ts';
import { refusal, signIn } from '../store-client.ts';
import type { StoreTools } from './tools.ts';

/** The service reports these with status 400. */
const BUSY = /^(?:Throttling|TooManyRequests|RequestLimitExceeded|LimitExceeded|InternalService)/;
const ARN_REGION = /^arn:[\w-]+:secretsmanager:([\w-]+):/;

/**
 * `aws-sm://name-or-arn#key`: AWS Secrets Manager.
 *
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
 */
export function createAwsStore(
  settings: Config['secrets']['aws'],
  { env, clock, clientFor }: StoreTools,
): SecretStore {
  const client = clientFor(null);
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: token } = settings;
  const given =
    accessKeyId === null || secretAccessKey === null
      ? undefined
      : { accessKeyId, secretAccessKey, ...(token === null ? {} : { sessionToken: token }) };
  const credentials = given ? () => Promise.resolve(given) : defaultAwsCredentials();
  const now = () => new Date(clock.wallTime());
  const usual = settings.region ?? (env.AWS_REGION?.trim() || env.AWS_DEFAULT_REGION?.trim());
  return {
    async read({ parts: [name = ''], options }, signal) {
      const region = options.region ?? ARN_REGION.exec(name)?.[1] ?? usual;
      if (!region) {
        throw new SecretError('the region is missing: set "secrets.aws.region", AWS_REGION or ?region=');
      }
      const url = `${settings.endpoint ?? serviceUrl(region)}/`;
      const body = {
        SecretId: name,
        ...(options.stage === undefined ? {} : { VersionStage: options.stage }),
        ...(options.version === undefined ? {} : { VersionId: options.version }),
      };
      const request: UpstreamRequest = {
        method: 'POST',
        url,
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': 'secretsmanager.GetSecretValue',
        },
        body: JSON.stringify(body),
      };
      const sign = awsSigner({ service: 'secretsmanager', region, credentials, escapesPath: true });
      const headers = await signIn(() => sign({ ...request, url: new URL(url), body: request.body }, now()));
      const signed = { ...request, headers };
      const response = await client.send(signed, [headers.authorization, token ?? undefined], signal);
      if (response.status !== 200) {
        const { message, retryable } = refusal(request, response);
        throw new SecretError(message, retryable || BUSY.test(response.reason));
      }
      const { SecretString: string, SecretBinary: binary } = response.json;
      const text = meaningful(string);
      if (text !== undefined) return { kind: 'text', text };
      if (typeof binary === 'string') return { kind: 'text', text: Buffer.from(binary, 'base64').toString() };
      throw new SecretError('the secret has no value');
    },
  };
}

function serviceUrl(region: string): string {
  return `https://secretsmanager.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}
