import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../lib/api.ts';
import { Button } from '../ui/button.tsx';
import { ErrorPanel } from '../ui/feedback.tsx';
import { TextField } from '../ui/field.tsx';

interface ProviderList {
  readonly data: readonly { readonly id: string; readonly name: string; readonly url: string }[];
}

/** Signs in with an admin key, a password, or an identity provider. */
export function SignInForm({ onSignedIn }: { readonly onSignedIn: () => void }) {
  const [way, setWay] = useState<'key' | 'password'>('key');
  const [key, setKey] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const { data: providers } = useQuery({
    queryKey: ['identity-providers'],
    queryFn: () => api.get<ProviderList>('/v1/auth/providers'),
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await api.post(
        '/v1/auth/sign-in',
        way === 'key' ? { key: key.trim() } : { email: email.trim(), password },
      );
      onSignedIn();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      {way === 'key' ? (
        <TextField
          label="Admin key"
          type="password"
          autoComplete="current-password"
          required
          value={key}
          onChange={({ target }) => setKey(target.value)}
          hint="Weir printed it at its first start; WEIR_ADMIN_KEY sets another one."
        />
      ) : (
        <>
          <TextField
            label="E-mail address"
            type="email"
            autoComplete="username"
            required
            value={email}
            onChange={({ target }) => setEmail(target.value)}
          />
          <TextField
            label="Password"
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={({ target }) => setPassword(target.value)}
          />
        </>
      )}
      {error !== undefined && <ErrorPanel what="Not signed in" error={error} />}
      <Button type="submit" variant="primary" isBusy={isBusy}>
        Sign in
      </Button>
      <Button variant="quiet" onClick={() => setWay(way === 'key' ? 'password' : 'key')}>
        {way === 'key' ? 'Use an e-mail address and a password' : 'Use an admin key'}
      </Button>
      {providers?.data.map(({ id, name, url }) => (
        <a
          key={id}
          href={url}
          className="rounded border border-line h-8 grid place-items-center hover:bg-raised"
        >
          Continue with {name}
        </a>
      ))}
    </form>
  );
}
