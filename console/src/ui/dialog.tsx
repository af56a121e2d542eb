import { Dialog as Radix } from 'radix-ui';
import { type FormEvent, type ReactNode, useState } from 'react';
import { Button } from './button.tsx';
import { classes } from './classes.ts';
import { ErrorPanel } from './feedback.tsx';
import { TextField } from './field.tsx';

interface DialogProps {
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly description?: ReactNode;
  readonly children: ReactNode;
}

const OVERLAY = 'fixed inset-0 z-30 bg-black/40';

function Head({ title, description }: Pick<DialogProps, 'title' | 'description'>) {
  return (
    <div className="flex items-start gap-3 mb-3">
      <div className="grow min-w-0">
        <Radix.Title className="text-[15px] font-semibold break-words">{title}</Radix.Title>
        <Radix.Description className={description ? 'text-muted mt-0.5' : 'sr-only'}>
          {description ?? title}
        </Radix.Description>
      </div>
      <Radix.Close asChild>
        <Button variant="quiet" aria-label="Close">
          ✕
        </Button>
      </Radix.Close>
    </div>
  );
}

/** A dialog in the middle of the page. */
export function Dialog({ isOpen, onClose, title, description, children }: DialogProps) {
  return (
    <Radix.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className={OVERLAY} />
        <Radix.Content
          className={classes(
            'fixed z-30 left-1/2 top-[8vh] -translate-x-1/2 w-[min(36rem,calc(100vw-1.5rem))] max-h-[84vh] overflow-auto',
            'rounded border border-line bg-panel p-4',
          )}
        >
          <Head {...{ title, description }} />
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** One item, from the right; the page stays behind it. Its URL is the caller's to keep. */
export function Drawer({ isOpen, onClose, title, description, children }: DialogProps) {
  return (
    <Radix.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className={OVERLAY} />
        <Radix.Content className="fixed z-30 right-0 top-0 h-dvh w-[min(52rem,100vw)] overflow-auto border-l border-line bg-bg p-4">
          <Head {...{ title, description }} />
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** Asks before something is lost: says what, and wants the name typed. */
export function ConfirmDialog({
  isOpen,
  onClose,
  title,
  lost,
  name,
  action,
  isDanger = true,
  onConfirm,
}: {
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly title: string;
  /** What will be lost, in numbers. */
  readonly lost: ReactNode;
  /** To be typed. Nothing is to be typed when absent. */
  readonly name?: string;
  /** The word on the button. */
  readonly action: string;
  /** False where nothing is lost. */
  readonly isDanger?: boolean;
  readonly onConfirm: () => Promise<void>;
}) {
  const [typed, setTyped] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const close = () => {
    setTyped('');
    setError(undefined);
    onClose();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm();
      close();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog isOpen={isOpen} onClose={close} title={title}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <div>{lost}</div>
        {name !== undefined && (
          <TextField
            label={`Type ${name} to confirm`}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            autoComplete="off"
            spellCheck={false}
          />
        )}
        {error !== undefined && <ErrorPanel what={`${action} failed`} error={error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={close}>Cancel</Button>
          <Button
            type="submit"
            variant={isDanger ? 'danger' : 'primary'}
            isBusy={isBusy}
            disabled={name !== undefined && typed !== name}
          >
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
