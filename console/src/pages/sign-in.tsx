import { useEffect } from 'react';
import { Bare } from '../shell/shell.tsx';
import { SignInForm } from '../shell/sign-in-form.tsx';

export function SignInPage() {
  useEffect(() => {
    document.title = 'Sign in · Weir';
  }, []);
  const target = new URLSearchParams(location.search).get('to') ?? '';
  // Only a page of the console: another site must not be reached through this one.
  const isOwn = target.startsWith('/console/') && !target.includes('//') && !target.includes('\\');
  return (
    <Bare>
      <div className="w-full max-w-sm rounded border border-line bg-panel p-5">
        <h1 className="text-lg font-semibold mb-1">Weir</h1>
        <p className="text-muted mb-4">Sign in to this gateway.</p>
        <SignInForm onSignedIn={() => location.assign(isOwn ? target : '/console')} />
      </div>
    </Bare>
  );
}
