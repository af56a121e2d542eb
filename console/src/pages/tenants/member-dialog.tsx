import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { readOthersAgain } from '../../lib/removed.ts';
import { useSave } from '../../lib/save.tsx';
import { useSession } from '../../lib/session.tsx';
import { type Member, ROLES } from '../../lib/tenancy.ts';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { SessionList } from '../sessions.tsx';
import { draftsOf, LimitEditor, limitsOfDrafts } from './limit-editor.tsx';
import { LimitPreview } from './limit-preview.tsx';

/** @returns roles that the caller may give in a tenant */
export function useRoleOptions(tenant: string, isPerson: boolean) {
  const { can } = useSession();
  const allowed = ROLES.filter((role) => role !== 'owner' || (isPerson && can('owners:write', tenant)));
  return allowed.map((value) => ({ value, label: value }));
}

/** One member of a tenant: its role, limits, status and sessions. */
export function MemberDialog({
  tenant,
  member,
  onClose,
}: {
  readonly tenant: string;
  readonly member: Member;
  readonly onClose: () => void;
}) {
  const { can } = useSession();
  const client = useQueryClient();
  const [action, setAction] = useState<'remove' | 'status'>();
  const path = `/admin/v1/tenants/${tenant}/members/${member.id}`;
  // What the list shows may be older, and has no version.
  const { data, error, refetch } = useQuery({
    queryKey: ['versioned', path],
    queryFn: ({ signal }) => api.request<Member>('GET', path, { signal }),
  });
  const isActive = member.status === 'active';
  const done = async () => {
    await client.invalidateQueries();
    onClose();
  };
  return (
    <Dialog isOpen onClose={onClose} title={member.name} description={member.email ?? 'a service account'}>
      <div className="flex flex-col gap-4">
        {error ? (
          <ErrorPanel what="The member could not be read" error={error} retry={() => void refetch()} />
        ) : data ? (
          <MemberForm key={path} tenant={tenant} path={path} base={data} onClose={onClose} />
        ) : (
          <Skeleton className="h-40" />
        )}
        {member.kind === 'user' && can('users:read') && (
          <section className="flex flex-col gap-2 border-t border-line pt-3">
            <h3 className="font-semibold">Sessions</h3>
            <SessionList path={`/admin/v1/users/${member.id}/sessions`} mayEnd={can('users:write')} />
          </section>
        )}
        <div className="flex flex-wrap gap-2 border-t border-line pt-3">
          <Button variant="danger" onClick={() => setAction('remove')}>
            Remove
          </Button>
          <Button onClick={() => setAction('status')}>{isActive ? 'Suspend' : 'Activate'}</Button>
        </div>
      </div>
      {action === 'remove' && (
        <ConfirmDialog
          isOpen
          onClose={() => setAction(undefined)}
          title={`Remove ${member.name}`}
          lost="All its API keys are revoked at once, and cannot be taken back. Its usage is kept."
          name={member.name}
          action="Remove"
          onConfirm={async () => {
            await api.delete(path);
            onClose();
            await readOthersAgain(client, path);
          }}
        />
      )}
      {action === 'status' && (
        <ConfirmDialog
          isOpen
          onClose={() => setAction(undefined)}
          title={`${isActive ? 'Suspend' : 'Activate'} ${member.name}`}
          lost={
            isActive
              ? 'All its API keys are rejected, and it cannot act in this tenant until it is activated again.'
              : 'Its API keys are accepted again, and it may act in this tenant.'
          }
          action={isActive ? 'Suspend' : 'Activate'}
          onConfirm={async () => {
            await api.patch(path, { status: isActive ? 'suspended' : 'active' });
            await done();
          }}
        />
      )}
    </Dialog>
  );
}

/** The members of a member that the form changes. */
const bodyOf = ({ role, limits }: Pick<Member, 'role' | 'limits'>) => ({
  role,
  limits: limitsOfDrafts(draftsOf(limits)),
});

function MemberForm({
  tenant,
  path,
  base,
  onClose,
}: {
  readonly tenant: string;
  readonly path: string;
  readonly base: Reply<Member>;
  readonly onClose: () => void;
}) {
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const [role, setRole] = useState(first.data.role);
  const [limits, setLimits] = useState(() => draftsOf(first.data.limits));
  const unsaved = useUnsaved();
  const { save, dialog } = useSave({ method: 'PATCH', bodyOf });
  const roles = useRoleOptions(tenant, first.data.kind === 'user');
  const options = roles.some(({ value }) => value === first.data.role)
    ? roles
    : [...roles, { value: first.data.role, label: first.data.role }];
  const form = useForm(async () => {
    await save(path, first, { role, limits: limitsOfDrafts(limits) });
    unsaved.saved();
    onClose();
  }, ['role', 'limits']);
  return (
    <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
      <SelectField
        label="Role"
        options={options}
        value={role}
        onChange={({ target }) => {
          setRole(target.value);
          unsaved.touch();
        }}
        error={form.errorOf('role')}
      />
      <LimitEditor
        drafts={limits}
        onChange={(drafts) => {
          setLimits([...drafts]);
          unsaved.touch();
        }}
        error={form.errorOf('limits')}
      />
      <LimitPreview subject={{ tenant, scope: 'user', id: first.data.id }} drafts={limits} />
      <FormEnd state={form} action="Save" onCancel={onClose} what="The member was not changed" />
      {dialog}
    </form>
  );
}
