import { type FormEvent, useState } from 'react';
import { usePageSearch } from '../../lib/search.ts';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';

export interface WorkFilter {
  /** Member of the URL's query, and of the API's. */
  readonly name: string;
  readonly label: string;
}

/** A choice of one member of the URL's query. */
export function ChosenFilter({
  name,
  label,
  all,
  options,
}: WorkFilter & { readonly all: string; readonly options: readonly string[] }) {
  const [search, change] = usePageSearch();
  return (
    <div className="w-44">
      <SelectField
        label={label}
        options={[
          { value: '', label: all },
          ...options.map((value) => ({ value, label: value.replaceAll('_', ' ') })),
        ]}
        value={search[name] ?? ''}
        onChange={({ target }) => change({ [name]: target.value === '' ? undefined : target.value }, true)}
      />
    </div>
  );
}

/** Filters as chips of the URL, and a form to add one. */
export function AddedFilters({ filters }: { readonly filters: readonly WorkFilter[] }) {
  const [search, change] = usePageSearch();
  const [name, setName] = useState(filters[0]?.name ?? '');
  const [value, setValue] = useState('');
  const add = (event: FormEvent) => {
    event.preventDefault();
    if (value.trim() === '') return;
    change({ [name]: value.trim() }, true);
    setValue('');
  };
  return (
    <>
      <form onSubmit={add} className="flex gap-2 items-end">
        <SelectField
          label="Filter"
          options={filters.map((one) => ({ value: one.name, label: one.label }))}
          value={name}
          onChange={({ target }) => setName(target.value)}
        />
        <TextField label="is" value={value} onChange={({ target }) => setValue(target.value)} />
        <Button type="submit">Add</Button>
      </form>
      {filters
        .filter((one) => search[one.name] !== undefined)
        .map((one) => (
          <Button
            key={one.name}
            aria-label={`Remove the filter ${one.label} ${search[one.name]}`}
            onClick={() => change({ [one.name]: undefined }, true)}
          >
            {one.label}: {search[one.name]} ✕
          </Button>
        ))}
    </>
  );
}

/** @returns the members of the URL's query that are filters, and whether there is one */
export function useFilters(names: readonly string[]) {
  const [search] = usePageSearch();
  const query = Object.fromEntries(names.map((name) => [name, search[name]]));
  return { query, isFiltered: names.some((name) => search[name] !== undefined) };
}

export const WORK_FILTERS: readonly WorkFilter[] = [
  { name: 'model', label: 'Model' },
  { name: 'key', label: 'Key id' },
  { name: 'user', label: 'Person id' },
];
