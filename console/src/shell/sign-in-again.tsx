import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { api } from '../lib/api.ts';
import { Dialog } from '../ui/dialog.tsx';
import { SignInForm } from './sign-in-form.tsx';

/** Covers the page when the session has ended: what was typed stays, and can be sent after signing in. */
export function SignInAgain() {
  const client = useQueryClient();
  useEffect(() => {
    // Another tab may have signed in meanwhile: the session is the browser's.
    const look = () => {
      api.get('/admin/v1/me').then(
        () => client.invalidateQueries(),
        () => undefined,
      );
    };
    addEventListener('focus', look);
    return () => removeEventListener('focus', look);
  }, [client]);
  return (
    <Dialog
      isOpen
      onClose={() => undefined}
      title="Your session has ended"
      description="Sign in to go on. What you have typed is still there."
    >
      <SignInForm isOverPage onSignedIn={() => void client.invalidateQueries()} />
    </Dialog>
  );
}
