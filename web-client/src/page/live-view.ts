import { FrameLoop, type FrameResult } from '@serin/device/frame-loop';
import { createRenderedCamera } from '@serin/device/rendered-camera';
import type { RawWindow } from '@serin/device/ports';
import { seededRandom } from '@serin/inference/random';
import { designLight, frameBytes, type Light } from '@serin/inference/bin-scene/parameters';
import { DDSketch } from '@serin/stats/dd-sketch';
import { browserClock } from '../browser-clock.ts';
import { startDriftWatch, stepDriftWatch } from '../drift-watch.ts';
import type { EdgeModel } from '../edge-model.ts';
import { cameraView } from './camera-view.ts';
import { driftView } from './drift-view.ts';

export interface LiveOptions {
  edge: EdgeModel;
  fps: number;
  seed: string;
  onFault: (error: unknown) => void;
}

export interface Live {
  elements: HTMLElement[];
  stop(): Promise<void>;
}

const windowMs = 1000;
const deadlineMs = 250;
const recentWindows = 30;
/** Four pictures a second, each with its own answer: more cannot be read. */
const paintMs = 250;

const sum = (windows: readonly RawWindow[], read: (counters: RawWindow['counters']) => number): number =>
  windows.reduce((total, { counters }) => total + read(counters), 0);

function p95Of(windows: readonly RawWindow[]): number {
  const sketch = new DDSketch();
  for (const { latencyMs } of windows) sketch.merge(DDSketch.fromData(latencyMs));
  return sketch.quantile(0.95);
}

/** The device's own frame loop on the rendered camera, and everything that is shown of it. */
export function startLive({ edge, fps, seed, onFault }: LiveOptions): Live {
  const random = seededRandom(seed);
  let light: Light = designLight;
  const source = createRenderedCamera({ fps, light: () => light, clock: browserClock, random: random.fork('camera') });
  const camera = cameraView(edge.info.labels, source.shape);
  const { profile } = edge;
  const drift = profile === undefined ? undefined : driftView({ profile, setLight: (setting) => (light = { ...designLight, ...setting }) });
  let watch = profile === undefined ? undefined : startDriftWatch(profile);
  let recent: RawWindow[] = [];
  let frames = 0;
  const shown = new Uint8Array(frameBytes);
  let latest: FrameResult | undefined;
  const startedAt = browserClock.elapsed();

  const onWindow = (window: RawWindow): void => {
    recent = [...recent, window].slice(-recentWindows);
    if (profile === undefined || watch === undefined) return;
    watch = stepDriftWatch(watch, profile, window);
    drift?.update(watch);
  };
  const onResult = (result: FrameResult): void => {
    frames++;
    shown.set(result.frame.pixels);
    latest = result;
  };
  const paint = (): void => {
    if (latest === undefined) return;
    const seconds = Math.max(
      0.001,
      recent.length === 0 ? (browserClock.elapsed() - startedAt) / 1000 : recent.reduce((total, { from, to }) => total + to - from, 0) / 1000,
    );
    const run = recent.length === 0 ? frames : sum(recent, (counters) => counters.run);
    const judged = sum(recent, (counters) => counters.judged);
    camera.update({
      pixels: shown,
      answer: latest.answer,
      ms: latest.latencyMs,
      perSecond: run / seconds,
      p95Ms: p95Of(recent),
      frames,
      wrongShare: judged === 0 ? undefined : sum(recent, (counters) => counters.wrong) / judged,
    });
  };

  const loop = new FrameLoop({
    source,
    clock: browserClock,
    random: random.fork('samples'),
    deadlineMs,
    handlers: { window: onWindow, sample: () => {}, result: onResult, fault: onFault },
  });
  loop.configure({ windowMs, samplesPerWindow: 0 });
  loop.start();
  void loop.serve({ digest: edge.info.manifestDigest, manifest: edge.manifest, profile, session: edge.session });
  const painter = setInterval(paint, paintMs);
  if (watch !== undefined) drift?.update(watch);

  return {
    elements: [camera.element, ...(drift === undefined ? [] : [drift.element])],
    async stop() {
      clearInterval(painter);
      await source.close();
      await loop.stop();
    },
  };
}
