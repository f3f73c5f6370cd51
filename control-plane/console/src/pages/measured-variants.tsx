import type { Device } from '@serin/protocol/api/resources';
import { formatBytes, formatMs } from '../domain/format.ts';
import { Code } from '../ui/badge.tsx';
import { cn } from '../ui/cn.ts';

const head = 'py-1 pl-3 text-right font-medium first:pl-0 first:text-left';
const cell = 'py-1 pl-3 text-right';

/** What the device found when it tried the variants of a version; the one that runs is in bold. */
export function MeasuredVariants({ model: { model, variant, measured } }: { model: Device['models'][number] }) {
  if (measured.length === 0) return null;
  return (
    <table className="mt-4 w-full border-t border-line text-sm tabular-nums" data-testid={`measured-${model}`}>
      <caption className="eyebrow pt-3 pb-1 text-left">Measured on this device</caption>
      <thead className="text-xs text-ink-3">
        <tr>
          {['Variant', 'p50', 'p90', 'Size'].map((title) => (
            <th key={title} scope="col" className={head}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {measured.map((one) => (
          <tr key={one.variant} data-variant={one.variant} className={cn(one.variant === variant && 'font-medium', one.code !== undefined && 'text-ink-3')}>
            <th scope="row" className="py-1 text-left [font-weight:inherit]">
              {one.variant}
            </th>
            {one.code === undefined ? (
              <>
                <td className={cell}>{formatMs(one.p50Ms)}</td>
                <td className={cell}>{formatMs(one.p90Ms)}</td>
              </>
            ) : (
              <td colSpan={2} className={cell} title={one.detail}>
                <Code>{one.code}</Code>
              </td>
            )}
            <td className={cell}>{formatBytes(one.bytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
