import { Dialog } from '../ui/dialog.tsx';
import { NAVIGATION } from './navigation.ts';

const KEYS: readonly (readonly [string, string])[] = [
  ['Ctrl K', 'Find pages and tenants'],
  ['?', 'This list'],
  ['Esc', 'Close what is open'],
  ['Enter', 'Open the row that has the focus'],
];

export function Shortcuts({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }) {
  const pages = NAVIGATION.map(({ key, label }) => [`g ${key}`, label] as const);
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title="Keys">
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
        {[...KEYS, ...pages].map(([keys, what]) => (
          <div key={keys} className="contents">
            <dt>
              <kbd className="font-mono rounded border border-line bg-raised px-1">{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
