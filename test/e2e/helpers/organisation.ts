import type { CallResult, InProcessGateway } from '../../support/gateway-in-process.ts';

/** What is made of a gateway for tests of permissions. Throws for every response that is no success. */
export class Organisation {
  constructor(readonly gateway: InProcessGateway) {}

  static readonly PASSWORD = 'correct horse battery';

  async done(method: string, path: string, body?: unknown): Promise<CallResult['body']> {
    const { gateway } = this;
    const result = await gateway.call(method, path, { key: gateway.adminKey, body });
    if (result.status >= 300) throw new Error(`${method} ${path}: ${result.status} ${result.text}`);
    return result.body;
  }

  /** A user with a role in a tenant. @returns the member's id */
  async member(tenant: string, name: string, role: string): Promise<string> {
    const email = `${name}@${tenant}.test`;
    const user = await this.done('POST', '/admin/v1/users', { email, name, password: Organisation.PASSWORD });
    await this.done('POST', `/admin/v1/tenants/${tenant}/members`, { email, role });
    return String(user.id);
  }

  /** @returns the secret of a new session */
  async session(tenant: string, name: string): Promise<string> {
    const body = { email: `${name}@${tenant}.test`, password: Organisation.PASSWORD };
    const { status, text, body: signedIn } = await this.gateway.call('POST', '/v1/auth/sign-in', { body });
    if (status !== 200) throw new Error(`sign-in: ${status} ${text}`);
    return String(signedIn.session);
  }

  /** @returns a new key with its secret as `key` */
  key(tenant: string, settings: Readonly<Record<string, unknown>>): Promise<CallResult['body']> {
    return this.done('POST', `/admin/v1/tenants/${tenant}/keys`, settings);
  }
}

/** A path with its parameters replaced. @throws Error for a parameter without a value */
export function pathWith(route: string, values: Readonly<Record<string, string>>): string {
  return route.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`no value for :${name}`);
    return encodeURIComponent(value);
  });
}
