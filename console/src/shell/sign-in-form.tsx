import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../lib/api.ts';
import { Button } from '../ui/button.tsx';
import { ErrorPanel } from '../ui/feedback.tsx';
import { TextField } from '../ui/field.tsx';

interface ProviderList {
  readonly data: readonly { readonly id: string; readonly name: string; readonly url: string }[];
}

/** Why a sign-in with an identity provider has failed, by the code of the gateway. */
const FAILURES: Readonly<Record<string, string>> = {
  permission_denied:
    'The identity provider has not confirmed your address, this gateway has no account for you, or the sign-in was begun elsewhere. Try again, or ask an administrator for an invitation.',
};
const OTHER_FAILURE = 'The identity provider could not be asked. Try again in a moment.';

/**
 * Signs in with an admin key, a password, or an identity provider.
 * @param isOverPage identity providers open beside the page, which keeps what was typed
 */
export function SignInForm({
  onSignedIn,
  isOverPage = false,
}: {
  readonly onSignedIn: () => void;
  readonly isOverPage?: boolean;
}) {
  const failed = new URLSearchParams(location.search).get('failed');
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
          autoFocus={!isOverPage}
          hint={
            <>
              Weir printed it at its first start, or WEIR_ADMIN_KEY sets it. If it is lost:{' '}
              <code className="font-mono">npm run weir -- keys create --admin</code>
            </>
          }
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
      {error === undefined && failed !== null && (
        <ErrorPanel what="Not signed in" error={new Error(FAILURES[failed] ?? OTHER_FAILURE)} />
      )}
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
          {...(isOverPage ? { target: '_blank', rel: 'noopener' } : {})}
          className="rounded border border-line h-8 grid place-items-center hover:bg-raised"
        >
          Continue with {name}
          {isOverPage && ' in another tab'}
        </a>
      ))}
    </form>
  );
}
