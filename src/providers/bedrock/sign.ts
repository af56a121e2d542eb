import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { Provider } from '../types.ts';

/** Credentials of AWS; temporary ones have a session token and an end. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

export type AwsCredentialSource = () => Promise<AwsCredentials>;

/** Credentials of the usual places: environment, profile, container, machine. Looked for when first needed. */
export function defaultAwsCredentials(): AwsCredentialSource {
  let provider: AwsCredentialSource | undefined;
  return async () => {
    if (!provider) {
      const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
      // It keeps them until shortly before they end.
      provider = defaultProvider();
    }
    return provider();
  };
}

/** Signs requests by AWS Signature Version 4, or adds an API key where there is one. */
export function bedrockAuthorizer(region: string, credentials: AwsCredentialSource, now: () => Date) {
  const signer = new SignatureV4({
    service: 'bedrock',
    region,
    sha256: Sha256,
    credentials,
    uriEscapePath: true,
  });

  return (
    request: UpstreamRequest,
    { credential }: Pick<Provider, 'credential'>,
  ): UpstreamRequest | Promise<UpstreamRequest> => {
    if (credential !== undefined) {
      return { ...request, headers: { ...request.headers, authorization: `Bearer ${credential}` } };
    }
    return sign(request);
  };

  async function sign(request: UpstreamRequest): Promise<UpstreamRequest> {
    const url = new URL(request.url);
    const { accept, 'accept-encoding': encoding, ...signed } = request.headers;
    const unsigned = {
      ...(accept === undefined ? {} : { accept }),
      ...(encoding === undefined ? {} : { 'accept-encoding': encoding }),
    };
    const { headers } = await signer.sign(
      new HttpRequest({
        method: request.method,
        protocol: url.protocol,
        hostname: url.hostname,
        ...(url.port === '' ? {} : { port: Number(url.port) }),
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: { ...signed, host: url.host },
        body: request.body,
      }),
      { signingDate: now() },
    );
    return { ...request, headers: { ...unsigned, ...headers } };
  }
}
