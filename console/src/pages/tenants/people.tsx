import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { limitText, type Member } from '../../lib/tenancy.ts';
import { Button } from '../../ui/button.tsx';
import { SecretOnce } from '../../ui/copy.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { MemberDialog, useRoleOptions } from './member-dialog.tsx';

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
  const [search, change] = usePageSearch();
  const base = `/admin/v1/tenants/${tenant}`;
  const [text, setText] = useState('');
  const members = usePaged<Member>(`${base}/members`, { search: text });
  const invitations = usePaged<Invitation>(`${base}/invitations`);
  const [adding, setAdding] = useState<'invitation' | 'service account'>();
  const [revoked, setRevoked] = useState<Invitation>();
  const mayChange = can('members:write', tenant);
  const opened = useOpened(members, `${base}/members`, mayChange ? search.member : undefined);
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
      <div className="flex flex-wrap gap-3 items-end">
        <TextField
          label="Find"
          placeholder="a part of the name, e-mail or id"
          className="max-w-80"
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
        <span className="grow" />
        {invite}
      </div>
      {members.error ? (
        <ErrorPanel what="The members could not be read" error={members.error} retry={members.refetch} />
      ) : members.isLoading ? (
        <Skeleton className="h-48" />
      ) : members.rows.length === 0 && text !== '' ? (
        <p className="text-muted">Nobody has this in the name, e-mail address or id.</p>
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
          onOpen={mayChange ? ({ id }) => change({ member: id }, true) : undefined}
          onEnd={members.more}
          isLoadingMore={members.isLoadingMore}
        />
      )}
      {open.length > 0 && (
        <Panel title="Open invitations">
          <ul className="flex flex-col gap-1">
            {open.map((invitation) => (
              <li key={invitation.id} className="flex flex-wrap gap-3 items-center">
                <span className="grow">
                  {invitation.email}, {invitation.role}
                </span>
                <span className="text-muted">
                  ends <RelativeTime at={invitation.expires_at} />
                </span>
                {mayChange && (
                  <Button
                    variant="quiet"
                    aria-label={`Revoke the invitation of ${invitation.email}`}
                    onClick={() => setRevoked(invitation)}
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
      {revoked && (
        <ConfirmDialog
          isOpen
          onClose={() => setRevoked(undefined)}
          title={`Revoke the invitation of ${revoked.email}`}
          lost="Its link no longer works. Another invitation can be sent."
          action="Revoke"
          onConfirm={async () => {
            await api.delete(`${base}/invitations/${revoked.id}`);
            await client.invalidateQueries();
          }}
        />
      )}
      {opened.problem}
      {opened.row && (
        <MemberDialog
          tenant={tenant}
          member={opened.row}
          onClose={() => change({ member: undefined }, true)}
        />
      )}
    </div>
  );
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
