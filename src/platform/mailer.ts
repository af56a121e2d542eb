/** The server that sends mail. */
export interface MailSettings {
  readonly host: string;
  readonly port: number;
  readonly tls: 'starttls' | 'always' | 'off';
  readonly user: string | null;
  readonly password: string | null;
  readonly from: string;
}

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** The same when the mail is sent again, so that its receiver can drop one. Without `<`, `>` and domain. */
  readonly id: string;
  readonly attachments?: readonly {
    readonly name: string;
    readonly type: string;
    readonly content: Uint8Array;
  }[];
}

const TIMEOUT_MS = 20_000;

/**
 * Sends one mail over SMTP. The module is loaded with the first mail.
 *
 * @throws Error when the server is unreachable or rejects it
 */
export async function sendMail(settings: MailSettings, mail: Mail): Promise<void> {
  const { createTransport } = await import('nodemailer');
  const { host, port, tls, user, password, from } = settings;
  const transport = createTransport({
    ...{ host, port, secure: tls === 'always', requireTLS: tls === 'starttls', ignoreTLS: tls === 'off' },
    ...(user !== null && password !== null && { auth: { user, pass: password } }),
    ...{ connectionTimeout: TIMEOUT_MS, greetingTimeout: TIMEOUT_MS, socketTimeout: TIMEOUT_MS },
    // Content is given as bytes: nothing that a name contains may make it read files.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  });
  try {
    await transport.sendMail({
      ...{ from, to: mail.to, subject: mail.subject, text: mail.text },
      messageId: `<${mail.id}@${from.slice(from.indexOf('@') + 1)}>`,
      attachments: (mail.attachments ?? []).map(({ name, type, content }) => ({
        ...{ filename: name, contentType: type, content: Buffer.from(content) },
      })),
    });
  } finally {
    transport.close();
  }
}
