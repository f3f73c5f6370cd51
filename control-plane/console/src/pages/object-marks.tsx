import type { Sample } from '@serin/protocol/api/resources';
import { markOpacity, markRadius, tickOf } from '../domain/sample-view.ts';

/** On pictures, so the same in both themes. */
const colours = ['var(--mark-1)', 'var(--mark-2)', 'var(--mark-3)', 'var(--mark-4)'];
export const markColour = (index: number): string => colours[index % colours.length] ?? 'white';

/** A ring with a tick on every object that was detected, a dotted ring where one lies in truth. */
export function ObjectMarks({ sample, labels }: { sample: Sample; labels: readonly string[] }) {
  const { predicted, truth, width, height } = sample;
  const detected = 'objects' in predicted ? predicted.objects : [];
  const real = truth !== null && 'objects' in truth ? truth.objects : [];
  return (
    <svg viewBox={`0 0 ${width} ${height}`} className="pointer-events-none absolute inset-0 size-full" aria-hidden fill="none" strokeLinecap="round">
      {real.map((object, index) => (
        <circle
          key={index}
          cx={object.x}
          cy={object.y}
          r={markRadius + 2}
          stroke={markColour(labels.indexOf(object.label))}
          strokeWidth={1}
          strokeDasharray="0.1 2.4"
        />
      ))}
      {detected.map((object, index) => (
        <Ring key={index} colour={markColour(labels.indexOf(object.label))} {...object} />
      ))}
    </svg>
  );
}

/** Over a dark line of its own, so that it shows on bright metal too; the surer, the clearer. */
function Ring({ x, y, angle, score, colour }: { x: number; y: number; angle: number; score: number; colour: string }) {
  const tick = tickOf({ x, y, angle });
  return (
    <g opacity={markOpacity(score)}>
      {[
        { stroke: 'var(--mark-halo)', width: 2.2 },
        { stroke: colour, width: 1.2 },
      ].map((line) => (
        <g key={line.stroke} stroke={line.stroke} strokeWidth={line.width}>
          <circle cx={x} cy={y} r={markRadius} />
          {tick !== undefined && <line {...tick} />}
        </g>
      ))}
    </g>
  );
}
