import { Link } from '@tanstack/react-router';
import type { Sample } from '@serin/protocol/api/resources';
import { formatFull, formatPercent, humanise } from '../domain/format.ts';
import { cn } from '../ui/cn.ts';

/** Who says what the frames show: the origin of the labels belongs beside them. */
export function labelOrigins(samples: readonly Sample[]): string {
  const origins = new Set(samples.flatMap(({ truth }) => (truth === null ? [] : [humanise(truth.origin).toLowerCase()])));
  return origins.size === 0 ? 'not labelled' : `labelled by ${[...origins].join(', ')}`;
}

/** Frames with what the model said, and the truth with its origin where anybody knows it. */
export function SampleGrid({ samples, withDevice = true }: { samples: readonly Sample[]; withDevice?: boolean }) {
  return (
    <ul className="grid grid-cols-[repeat(auto-fill,minmax(6.75rem,1fr))] gap-3 p-4">
      {samples.map((sample) => {
        const wrong = sample.truth !== null && sample.truth.label !== sample.predicted.label;
        return (
          <li key={sample.id} className="min-w-0">
            <img
              src={`/api/samples/${encodeURIComponent(sample.id)}/image`}
              alt={`Frame of ${sample.device}: seen as ${sample.predicted.label}${sample.truth === null ? '' : `, in truth ${sample.truth.label}`}`}
              title={formatFull(sample.at)}
              width={32}
              height={32}
              loading="lazy"
              className={cn('aspect-square w-full rounded-md border bg-sunken [image-rendering:pixelated]', wrong ? 'border-bad' : 'border-line')}
            />
            <p className="mt-1.5 flex items-baseline gap-1.5 text-xs">
              <span className="min-w-0 truncate font-medium">{sample.predicted.label}</span>
              <span className="ml-auto text-ink-3">{formatPercent(sample.predicted.confidence, 0)}</span>
            </p>
            {sample.truth !== null && (
              <p className={cn('truncate text-2xs', wrong ? 'text-bad' : 'text-ink-3')} title={`Label by ${humanise(sample.truth.origin).toLowerCase()}`}>
                {wrong ? `in truth ${sample.truth.label}` : 'right'}
              </p>
            )}
            {withDevice && (
              <Link to="/devices/$id" params={{ id: sample.device }} className="block truncate text-2xs text-ink-3 hover:text-ink hover:underline">
                {sample.device} v{sample.version}
              </Link>
            )}
          </li>
        );
      })}
    </ul>
  );
}
