import { Link } from '@tanstack/react-router';
import type { Sample } from '@serin/protocol/api/resources';
import { formatFull, formatPercent, humanise } from '../domain/format.ts';
import { answerConfidence, answerTitle, answerWords, objectLabels } from '../domain/sample-view.ts';
import { cn } from '../ui/cn.ts';
import { markColour, ObjectMarks } from './object-marks.tsx';

/** Who says what the frames show: the origin of the labels belongs beside them. */
export function labelOrigins(samples: readonly Sample[]): string {
  const origins = new Set(samples.flatMap(({ truth }) => (truth === null ? [] : [humanise(truth.origin).toLowerCase()])));
  return origins.size === 0 ? 'not labelled' : `labelled by ${[...origins].join(', ')}`;
}

/** Frames with what the model said, and the truth with its origin where anybody knows it. */
export function SampleGrid({ samples, withDevice = true }: { samples: readonly Sample[]; withDevice?: boolean }) {
  const labels = objectLabels(samples);
  return (
    <div className="p-4">
      {labels.length > 0 && <Legend labels={labels} />}
      <ul
        className={cn(
          'grid gap-3',
          labels.length > 0 ? 'grid-cols-[repeat(auto-fill,minmax(9.5rem,1fr))]' : 'grid-cols-[repeat(auto-fill,minmax(6.75rem,1fr))]',
        )}
      >
        {samples.map((sample) => (
          <li key={sample.id} className="min-w-0">
            <Picture sample={sample} labels={labels} />
            <Caption sample={sample} />
            {withDevice && (
              <Link to="/devices/$id" params={{ id: sample.device }} className="block truncate text-2xs text-ink-3 hover:text-ink hover:underline">
                {sample.device} v{sample.version}
              </Link>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Picture({ sample, labels }: { sample: Sample; labels: readonly string[] }) {
  const { predicted, truth } = sample;
  const words = `Frame of ${sample.device}: seen ${'objects' in predicted ? '' : 'as '}${answerWords(predicted)}${truth === null ? '' : `, in truth ${answerWords(truth)}`}`;
  return (
    <div className={cn('relative aspect-square overflow-hidden rounded-md border bg-sunken', sample.right === false ? 'border-bad' : 'border-line')}>
      <img
        src={`/api/samples/${encodeURIComponent(sample.id)}/image`}
        alt={words}
        title={formatFull(sample.at)}
        width={sample.width}
        height={sample.height}
        loading="lazy"
        className="size-full object-contain [image-rendering:pixelated]"
      />
      {'objects' in predicted && <ObjectMarks sample={sample} labels={labels} />}
    </div>
  );
}

function Caption({ sample: { predicted, truth, right } }: { sample: Sample }) {
  const confidence = answerConfidence(predicted);
  return (
    <>
      <p className="mt-1.5 flex items-baseline gap-1.5 text-xs">
        <span className="min-w-0 truncate font-medium">{answerTitle(predicted)}</span>
        {confidence !== null && <span className="ml-auto text-ink-3">{formatPercent(confidence, 0)}</span>}
      </p>
      {truth !== null && (
        <p
          className={cn('truncate text-2xs', right === false ? 'text-bad' : 'text-ink-3')}
          title={`Label by ${humanise(truth.origin).toLowerCase()}: ${answerWords(truth)}`}
        >
          {truthWords(truth, right)}
        </p>
      )}
    </>
  );
}

function truthWords(truth: NonNullable<Sample['truth']>, right: boolean | null): string {
  if (right === true) return 'right';
  if ('objects' in truth) return `${right === false ? 'wrong, ' : ''}${truth.objects.length} in truth`;
  return `in truth ${truth.label}`;
}

function Legend({ labels }: { labels: readonly string[] }) {
  return (
    <p className="mb-3 flex flex-wrap gap-x-4 gap-y-1 text-xs text-ink-2">
      {labels.map((label, index) => (
        <span key={label} className="flex items-center gap-1.5">
          <span className="size-2.5 rounded-full border border-line-strong" style={{ background: markColour(index) }} aria-hidden />
          {label}
        </span>
      ))}
      <span className="text-ink-3">tick: the way it points; dotted: in truth</span>
    </p>
  );
}
