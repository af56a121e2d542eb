import { z } from 'zod';
import { host, integer, nullable, secret, text } from './fields.ts';

const ADDRESS = /^[^\s@<>"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

/** The server that sends mail. */
export const mail = () =>
  nullable(
    z
      .strictObject({
        host: host().describe('The SMTP server.'),
        port: integer(1, 65_535).prefault(587).describe('Its port.'),
        tls: z
          .enum(['starttls', 'always', 'off'])
          .prefault('starttls')
          .describe(
            '`starttls` changes to TLS after the connection, and fails where the server cannot; `always` begins with TLS, as port 465 expects; `off` sends in plain text.',
          ),
        user: nullable(text(254).meta({ 'x-secret': true })).describe(
          'The user, where the server asks for one.',
        ),
        password: nullable(secret()).describe('Its password.'),
        from: z
          .string()
          .max(254)
          .regex(ADDRESS, 'expected an e-mail address such as billing@example.com')
          .describe('The sender.'),
      })
      .refine(({ user, password }) => (user === null) === (password === null), {
        message: 'requires `user` and `password`, or neither',
      }),
  );
