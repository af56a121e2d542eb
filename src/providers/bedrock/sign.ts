import type { UpstreamRequest } from '../../core/transport.ts';
import { type AwsCredentialSource, awsSigner } from '../../platform/aws-signature.ts';
import type { Provider } from '../types.ts';

/** @returns an `authorize` function that signs requests (AWS Signature Version 4), or adds the API key if there is one */
export function bedrockAuthorizer(region: string, credentials: AwsCredentialSource, now: () => Date) {
  const signed = awsSigner({ service: 'bedrock', region, credentials, escapesPath: true });

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
    const { accept, 'accept-encoding': encoding, ...headers } = request.headers;
    const unsigned = {
      ...(accept === undefined ? {} : { accept }),
      ...(encoding === undefined ? {} : { 'accept-encoding': encoding }),
    };
    const { method, body } = request;
    const added = await signed({ method, url: new URL(request.url), headers, body }, now());
    return { ...request, headers: { ...unsigned, ...added } };
  }
}
