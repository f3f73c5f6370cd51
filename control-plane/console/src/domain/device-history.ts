import type { DevicePoint } from '@serin/protocol/api/resources';

/** The points of the last `spanMs`, counted back from the newest one: a device that fell silent keeps its past on screen. */
export function pointsWithin<Point extends Pick<DevicePoint, 'at'>>(points: readonly Point[], spanMs: number): Point[] {
  const newest = points.at(-1)?.at ?? 0;
  return points.filter(({ at }) => at >= newest - spanMs);
}

/** Where the version changed, so that a chart can say why a line jumped. */
export function versionMarks(points: readonly Pick<DevicePoint, 'at' | 'version'>[]): { at: number; version: number }[] {
  return points.filter(({ version }, index) => index > 0 && points[index - 1]?.version !== version).map(({ at, version }) => ({ at, version }));
}
