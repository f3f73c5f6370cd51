import type { Sample } from '@serin/protocol/api/resources';
import { markOf, markRadius } from '../domain/sample-view.ts';

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
        <Ring key={index} colour={markColour(labels.indexOf(object.label))} radius={markRadius + 2.5} dotted {...object} />
      ))}
      {detected.map((object, index) => (
        <Ring key={index} colour={markColour(labels.indexOf(object.label))} radius={markRadius} {...object} />
      ))}
    </svg>
  );
}

interface RingProps {
  x: number;
  y: number;
  angle: number;
  colour: string;
  radius: number;
  dotted?: boolean;
}

/** Over a dark line of its own, so that it shows on bright metal too. */
function Ring({ x, y, angle, colour, radius, dotted = false }: RingProps) {
  if (dotted) return <circle cx={x} cy={y} r={radius} stroke={colour} strokeWidth={1} strokeDasharray="0.1 2.4" />;
  const { toX, toY } = markOf({ x, y, angle });
  return (
    <>
      {[
        { stroke: 'var(--mark-halo)', width: 2.6 },
        { stroke: colour, width: 1.4 },
      ].map((line) => (
        <g key={line.stroke} stroke={line.stroke} strokeWidth={line.width}>
          <circle cx={x} cy={y} r={radius} />
          <line x1={x} y1={y} x2={toX} y2={toY} />
        </g>
      ))}
    </>
  );
}
