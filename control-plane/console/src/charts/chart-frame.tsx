import { ChartColumn, Table2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';

export interface TableView {
  caption: string;
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

/** Every chart can be read as a table. */
export function ChartFrame({ title, legend, table, children }: { title: ReactNode; legend?: ReactNode; table: () => TableView; children: ReactNode }) {
  const [asTable, setAsTable] = useState(false);
  return (
    <figure className="flex min-w-0 flex-col gap-2">
      <figcaption className="flex flex-wrap items-center gap-x-4 gap-y-1 text-xs">
        <span className="font-medium text-ink-2">{title}</span>
        {legend}
        <button
          type="button"
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
          className="ml-auto inline-flex items-center gap-1 rounded-sm px-1.5 py-0.5 text-2xs text-ink-3 hover:bg-hover hover:text-ink"
        >
          {asTable ? <ChartColumn className="size-3" aria-hidden /> : <Table2 className="size-3" aria-hidden />}
          {asTable ? 'View as chart' : 'View as table'}
        </button>
      </figcaption>
      {asTable ? <DataTable {...table()} /> : children}
    </figure>
  );
}

function DataTable({ caption, head, rows }: TableView) {
  return (
    <div className="max-h-72 overflow-auto rounded-md border border-line" role="region" aria-label={caption} tabIndex={0}>
      <table className="w-full text-xs">
        <caption className="sr-only">{caption}</caption>
        <thead className="sticky top-0 bg-sunken text-left text-ink-2">
          <tr>
            {head.map((name) => (
              <th key={name} scope="col" className="px-3 py-1.5 font-medium not-first:text-right">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={`${row[0] ?? ''} ${String(index)}`} className="border-t border-line">
              {row.map((cell, column) => (
                <td key={head[column]} className="px-3 py-1 not-first:text-right">
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function LegendKey({ color, name, shape = 'line' }: { color: string; name: string; shape?: 'line' | 'dashes' | 'box' | 'outline' }) {
  return (
    <span className="inline-flex items-center gap-1.5 text-ink-2">
      <svg viewBox="0 0 12 12" className="size-3" aria-hidden>
        {shape === 'line' && <path d="M0 6h12" stroke={color} strokeWidth="2.500" />}
        {shape === 'dashes' && <path d="M0 6h12" stroke={color} strokeWidth="2.500" strokeDasharray="4 3" />}
        {shape === 'box' && <rect x="1" y="1" width="10" height="10" rx="2" fill={color} />}
        {shape === 'outline' && <rect x="1.750" y="1.750" width="8.500" height="8.500" rx="2" fill="none" stroke={color} strokeWidth="1.500" />}
      </svg>
      {name}
    </span>
  );
}
