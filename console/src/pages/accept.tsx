import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from '../lib/api.ts';
import { meQuery } from '../lib/session.tsx';
import { Bare } from '../shell/shell.tsx';
import { TextField } from '../ui/field.tsx';
import { FormEnd, useForm } from '../ui/form.tsx';

/** Accepts an invitation: as the user who is signed in, or with a name and a password to begin with. */
export function AcceptPage() {
  const token = new URLSearchParams(location.search).get('token') ?? '';
  const { data: me } = useQuery({ ...meQuery, retry: false });
  const isUser = me?.id.startsWith('user:') ?? false;
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  useEffect(() => {
    document.title = 'Accept an invitation · Weir';
  }, []);
  const form = useForm(async () => {
    await api.post('/v1/auth/invitations/accept', isUser ? { token } : { token, name, password });
    location.assign('/console');
  }, ['name', 'password']);
  return (
    <Bare>
      <form
        onSubmit={form.onSubmit}
        className="w-full max-w-sm rounded border border-line bg-panel p-5 flex flex-col gap-3"
      >
        <h1 className="text-lg font-semibold">You are invited</h1>
        {isUser ? (
          <p>Join as {me?.name}.</p>
        ) : (
          <>
            <p className="text-muted">
              Choose a name and a password. If you have an account, <a href="/console/sign-in">sign in</a>{' '}
              first, then open the link again.
            </p>
            <TextField
              label="Name"
              required
              autoComplete="name"
              value={name}
              onChange={({ target }) => setName(target.value)}
              error={form.errorOf('name')}
            />
            <TextField
              label="Password"
              type="password"
              required
              autoComplete="new-password"
              value={password}
              onChange={({ target }) => setPassword(target.value)}
              error={form.errorOf('password')}
            />
          </>
        )}
        <FormEnd state={form} action="Join" what="The invitation was not accepted" />
      </form>
    </Bare>
  );
}
