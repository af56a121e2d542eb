import { expect, test } from 'bun:test';
import { bedrockAuthorizer } from './sign.ts';

const CREDENTIALS = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};

test('requests are signed as by the hash functions of the AWS SDK', async () => {
  const authorize = bedrockAuthorizer(
    'us-east-1',
    async () => CREDENTIALS,
    () => new Date('2015-08-30T12:36:00Z'),
  );
  const { headers } = await authorize(
    {
      method: 'POST',
      url: 'https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/converse',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: '{"text":"Où est le déversoir ?"}',
    },
    { credential: undefined },
  );
  expect(headers).toMatchObject({
    accept: 'application/json',
    'x-amz-date': '20150830T123600Z',
    'x-amz-content-sha256': '5699ad8c3edaea1b567c648d3a59fe9df73667a8447aeb9cd125c5a2d7fe1a54',
    // Computed with @aws-crypto/sha256-js 5.2.0.
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=5b488763ac67c7a6b50a69c2616170cd609736ab2ae4b35def6a8d20049a815d',
  });
});
