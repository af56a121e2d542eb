import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { usePaged } from '../../lib/paged.ts';
import { useSession } from '../../lib/session.tsx';
import { limitText, type Member, ROLES } from '../../lib/tenancy.ts';
import { Button } from '../../ui/button.tsx';
import { SecretOnce } from '../../ui/copy.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { draftsOf, LimitEditor, limitsOfDrafts } from './limit-editor.tsx';

interface Invitation {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly state: string;
  readonly expires_at: string;
}

/** The users, service accounts and open invitations of a tenant. */
export function People({ tenant }: { readonly tenant: string }) {
  const { can } = useSession();
  const client = useQueryClient();
  const base = `/admin/v1/tenants/${tenant}`;
  const members = usePaged<Member>(`${base}/members`);
  const invitations = usePaged<Invitation>(`${base}/invitations`);
  const [adding, setAdding] = useState<'invitation' | 'service account'>();
  const [opened, setOpened] = useState<Member>();
  const mayChange = can('members:write', tenant);
  const columns: readonly Column<Member>[] = [
    { id: 'name', header: 'Name', cell: ({ name }) => name, width: 'minmax(10rem, 2fr)' },
    { id: 'email', header: 'E-mail', cell: ({ email }) => email ?? '–', width: 'minmax(10rem, 2fr)' },
    { id: 'kind', header: 'Kind', cell: ({ kind }) => kind.replace('_', ' ') },
    { id: 'role', header: 'Role', cell: ({ role }) => role },
    {
      ...{ id: 'status', header: 'Status' },
      cell: ({ status }) => <Badge tone={status === 'active' ? 'neutral' : 'warn'}>{status}</Badge>,
    },
    { id: 'limits', header: 'Limits', cell: ({ limits }) => limits.map(limitText).join(', ') || '–' },
  ];
  const invite = mayChange && (
    <div className="flex flex-wrap gap-2">
      <Button onClick={() => setAdding('service account')}>Add a service account</Button>
      <Button variant="primary" onClick={() => setAdding('invitation')}>
        Invite a person
      </Button>
    </div>
  );
  const open = invitations.rows.filter(({ state }) => state === 'open');
  return (
    <div className="flex flex-col gap-3">
      <div className="flex justify-end">{invite}</div>
      {members.error ? (
        <ErrorPanel what="The members could not be read" error={members.error} retry={members.refetch} />
      ) : members.isLoading ? (
        <Skeleton className="h-48" />
      ) : members.rows.length === 0 ? (
        <Empty
          title="Nobody is a member yet. Members sign in, own keys and have limits of their own."
          action={invite}
        />
      ) : (
        <DataTable
          label="Members"
          columns={columns}
          rows={members.rows}
          rowKey={({ id }) => id}
          onOpen={mayChange ? setOpened : undefined}
          onEnd={members.more}
          isLoadingMore={members.isLoadingMore}
        />
      )}
      {open.length > 0 && (
        <Panel title="Open invitations">
          <ul className="flex flex-col gap-1">
            {open.map(({ id, email, role, expires_at }) => (
              <li key={id} className="flex flex-wrap gap-3 items-center">
                <span className="grow">
                  {email}, {role}
                </span>
                <span className="text-muted">
                  ends <RelativeTime at={expires_at} />
                </span>
                {mayChange && (
                  <Button
                    variant="quiet"
                    onClick={() =>
                      void api.delete(`${base}/invitations/${id}`).then(() => client.invalidateQueries())
                    }
                  >
                    Revoke
                  </Button>
                )}
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {adding && <AddMember base={base} kind={adding} onClose={() => setAdding(undefined)} />}
      {opened && (
        <EditMember base={base} tenant={tenant} member={opened} onClose={() => setOpened(undefined)} />
      )}
    </div>
  );
}

function useRoleOptions(tenant: string, isPerson: boolean) {
  const { can } = useSession();
  const allowed = ROLES.filter((role) => role !== 'owner' || (isPerson && can('owners:write', tenant)));
  return allowed.map((value) => ({ value, label: value }));
}

function AddMember({
  base,
  kind,
  onClose,
}: {
  readonly base: string;
  readonly kind: 'invitation' | 'service account';
  readonly onClose: () => void;
}) {
  const isPerson = kind === 'invitation';
  const [name, setName] = useState('');
  const [role, setRole] = useState<string>('developer');
  const [token, setToken] = useState<string>();
  const roles = useRoleOptions(base.split('/').at(-1) ?? '', isPerson);
  const form = useForm(async () => {
    if (isPerson) {
      setToken(
        (await api.post<{ token: string }>(`${base}/invitations`, { email: name.trim(), role })).token,
      );
    } else {
      await api.post(`${base}/service-accounts`, { name, role });
      onClose();
    }
  }, ['email', 'name', 'role']);
  return (
    <Dialog isOpen onClose={onClose} title={isPerson ? 'Invite a person' : 'Add a service account'}>
      {token !== undefined ? (
        <div className="flex flex-col gap-3">
          <SecretOnce secret={`${location.origin}/console/accept?token=${token}`} what="the link" />
          <p>Send it to {name}. It is valid for a week, and works once.</p>
          <Button variant="primary" className="self-end" onClick={onClose}>
            Done
          </Button>
        </div>
      ) : (
        <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
          <TextField
            label={isPerson ? 'E-mail address' : 'Name'}
            type={isPerson ? 'email' : 'text'}
            required
            value={name}
            onChange={({ target }) => setName(target.value)}
            error={form.errorOf(isPerson ? 'email' : 'name')}
          />
          <SelectField
            label="Role"
            options={roles}
            value={role}
            onChange={({ target }) => setRole(target.value)}
            error={form.errorOf('role')}
          />
          <FormEnd
            state={form}
            action={isPerson ? 'Invite' : 'Add'}
            onCancel={onClose}
            what={isPerson ? 'The invitation was not created' : 'The account was not created'}
          />
        </form>
      )}
    </Dialog>
  );
}

function EditMember({
  base,
  tenant,
  member,
  onClose,
}: {
  readonly base: string;
  readonly tenant: string;
  readonly member: Member;
  readonly onClose: () => void;
}) {
  const client = useQueryClient();
  const [role, setRole] = useState(member.role);
  const [limits, setLimits] = useState(() => draftsOf(member.limits));
  const [isRemoving, setRemoving] = useState(false);
  const path = `${base}/members/${member.id}`;
  const roles = useRoleOptions(tenant, member.kind === 'user');
  const options = roles.some(({ value }) => value === member.role)
    ? roles
    : [...roles, { value: member.role, label: member.role }];
  const form = useForm(async () => {
    await api.patch(path, { role, limits: limitsOfDrafts(limits) });
    onClose();
  }, ['role', 'limits']);
  const isActive = member.status === 'active';
  const setStatus = async () => {
    await api.patch(path, { status: isActive ? 'suspended' : 'active' });
    await client.invalidateQueries();
    onClose();
  };
  const [statusError, setStatusError] = useState<unknown>();
  if (isRemoving) {
    return (
      <ConfirmDialog
        isOpen
        onClose={() => setRemoving(false)}
        title={`Remove ${member.name}`}
        lost="All its API keys are revoked at once. Its usage is kept."
        name={member.name}
        action="Remove"
        onConfirm={async () => {
          await api.delete(path);
          await client.invalidateQueries();
          onClose();
        }}
      />
    );
  }
  return (
    <Dialog isOpen onClose={onClose} title={member.name} description={member.email ?? 'a service account'}>
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <SelectField
          label="Role"
          options={options}
          value={role}
          onChange={({ target }) => setRole(target.value)}
          error={form.errorOf('role')}
        />
        <LimitEditor
          drafts={limits}
          onChange={(drafts) => setLimits([...drafts])}
          error={form.errorOf('limits')}
        />
        {statusError !== undefined && <ErrorPanel what="The status was not changed" error={statusError} />}
        <FormEnd
          state={form}
          action="Save"
          onCancel={onClose}
          what="The member was not changed"
          extra={
            <span className="flex gap-2 mr-auto">
              <Button variant="danger" onClick={() => setRemoving(true)}>
                Remove
              </Button>
              <Button onClick={() => void setStatus().catch(setStatusError)}>
                {isActive ? 'Suspend' : 'Activate'}
              </Button>
            </span>
          }
        />
      </form>
    </Dialog>
  );
}
