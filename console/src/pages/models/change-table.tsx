import { compare, type Document, textOf } from '../../lib/merge.ts';
import { HIDDEN } from './config-item.ts';

/** Members that hold secrets, as the gateway knows them. */
const SECRET = /(?:^|_)(?:api_keys?|secret|password|token|service_account|secret_access_key)$|^headers$/;

/** What a change does, member by member. Secrets are not shown, also where they were typed a moment ago. */
export function ChangeTable({ before, after }: { readonly before: Document; readonly after: Document }) {
  const rows = compare(before, after, before);
  if (rows.length === 0) return <p className="text-muted">Nothing that can be shown has changed.</p>;
  const show = (path: readonly string[], value: unknown) => {
    if (value === undefined) return <span className="text-muted">not set</span>;
    if (!path.some((name) => SECRET.test(name))) return typeof value === 'string' ? value : textOf(value);
    return textOf(value).includes(HIDDEN) ? HIDDEN : 'a new secret';
  };
  return (
    <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="What changes">
      <table className="w-full">
        <thead>
          <tr>
            {['Member', 'Before', 'After'].map((title) => (
              <th key={title} scope="col" className="text-left font-medium pr-3">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ path, base, mine }) => (
            <tr key={path.join('.')} className="border-t border-line align-top">
              <th scope="row" className="text-left font-mono font-normal pr-3">
                {path.join('.')}
              </th>
              <td className="font-mono break-all pr-3 bg-bad-bg">{show(path, base)}</td>
              <td className="font-mono break-all bg-good-bg">{show(path, mine)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
