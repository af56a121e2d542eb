import { describe, expect, test } from 'bun:test';
import { type Actor, assertAllowed, assertTenantVisible } from './actor.ts';

const member: Actor = {
  id: 'user:u',
  name: 'U',
  platform: false,
  roles: new Map([['own', 'viewer']]),
  member: 'u',
};
const operator: Actor = { ...member, platform: true, roles: new Map() };

describe('a tenant', () => {
  test('is visible to its members and to operators, also when it is suspended', () => {
    for (const status of ['active', 'suspended'] as const) {
      assertTenantVisible(member, 'own', status);
      assertTenantVisible(operator, 'other', status);
    }
  });

  test('that exists elsewhere looks to others like one that does not exist', () => {
    const cases = [
      [member, 'other', 'active'],
      [member, 'own', 'deleted'],
      [member, 'none', undefined],
      [operator, 'own', 'deleted'],
      [operator, 'none', undefined],
    ] as const;
    for (const [actor, tenant, status] of cases) {
      expect(() => assertTenantVisible(actor, tenant, status)).toThrow(
        expect.objectContaining({ code: 'not_found', message: 'There is no such tenant.' }),
      );
    }
  });

  test('can be read, but not changed, by a viewer', () => {
    assertAllowed(member, 'tenant:read', 'own');
    expect(() => assertAllowed(member, 'tenant:write', 'own')).toThrow(
      expect.objectContaining({ code: 'permission_denied' }),
    );
    expect(() => assertAllowed(member, 'tenant:read', 'other')).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    );
  });
});
