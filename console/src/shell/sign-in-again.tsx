import { useQueryClient } from '@tanstack/react-query';
import { Dialog } from '../ui/dialog.tsx';
import { SignInForm } from './sign-in-form.tsx';

/** Covers the page when the session has ended: what was typed stays, and can be sent after signing in. */
export function SignInAgain() {
  const client = useQueryClient();
  return (
    <Dialog
      isOpen
      onClose={() => undefined}
      title="Your session has ended"
      description="Sign in to go on. What you have typed is still there."
    >
      <SignInForm onSignedIn={() => void client.invalidateQueries()} />
    </Dialog>
  );
}
