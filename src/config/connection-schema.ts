import { z } from 'zod';
import { nullable, text } from './fields.ts';

/** Keys about connections. */

const MAX_PATH = 4_096;

export const tls = () =>
  nullable(
    z.strictObject({
      cert: text(MAX_PATH).describe(
        'The path of the certificate chain in PEM, the server certificate first. Relative paths start at the working directory.',
      ),
      key: text(MAX_PATH).describe('The path of its private key in PEM, not encrypted.'),
    }),
  );
