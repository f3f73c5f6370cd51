import type { Environment, EnvironmentReport, Run, RunComparison, RunDifference } from '@serin/protocol/api/runs';
import { compareVersions } from '@serin/protocol/version';

type Shown = string | number | boolean | readonly string[] | null | undefined;
const shown = (value: Shown): string =>
  value === null || value === undefined ? 'none' : typeof value === 'object' ? value.join(' ') || 'none' : String(value);
const shortDigest = (digest: string | null | undefined): string => (digest === null || digest === undefined ? 'none' : digest.slice(0, 12));

/** Everything in which two runs differ that could make their models differ; what came of it is in the metrics. */
export function differencesOf(left: Run, right: Run): RunDifference[] {
  const found: RunDifference[] = [];
  const look = (what: string, one: Shown, other: Shown, words: (value: Shown) => string = shown): void => {
    if (shown(one) !== shown(other)) found.push({ what, left: words(one), right: words(other) });
  };
  const digests = (value: Shown): string => shortDigest(value as string | null);
  look('pipeline', left.pipeline, right.pipeline);
  look('code revision', left.code.revision, right.code.revision, digests);
  look('code', left.code.digest, right.code.digest, digests);
  look('data', left.data?.digest, right.data?.digest, digests);
  look('data rows', left.data?.rows, right.data?.rows);
  look('dataset', datasetOf(left), datasetOf(right));
  look('seed', left.seed, right.seed);
  for (const name of unionOf(left.parameters, right.parameters)) look(`parameter ${name}`, left.parameters[name], right.parameters[name]);
  for (const name of environmentFields) look(`environment ${name}`, left.environment[name], right.environment[name], name === 'lockfile' ? digests : shown);
  const stages = unionOf(keysOf(left), keysOf(right));
  for (const name of stages) look(`stage ${name}`, keysOf(left)[name], keysOf(right)[name], digests);
  return found;
}

const environmentFields = ['product', 'node', 'ort', 'platform', 'arch', 'cpu', 'cpuFlags', 'threads', 'lockfile'] as const satisfies (keyof Environment)[];
const datasetOf = ({ data }: Run): string => (data?.dataset == null ? 'none' : `${data.dataset} version ${data.version ?? '?'}`);
const keysOf = ({ stages }: Run): Record<string, string | null> => Object.fromEntries(stages.map(({ name, key }) => [name, key]));
const unionOf = (left: object, right: object): string[] => [...new Set([...Object.keys(left), ...Object.keys(right)])];

const differencesMax = 1000;

export function compareRuns(left: Run, right: Run): RunComparison {
  return {
    left,
    right,
    sameWeights: left.weightDigest === null || right.weightDigest === null ? null : left.weightDigest === right.weightDigest,
    differences: differencesOf(left, right).slice(0, differencesMax),
    metrics: unionOf(left.metrics, right.metrics).map((name) => {
      const [one, other] = [left.metrics[name] ?? null, right.metrics[name] ?? null];
      return { name, left: one, right: other, difference: one === null || other === null ? null : other - one };
    }),
  };
}

const verdictsMax = 200;

/** Whether a repetition gave the same weights and figures; where not, what else was different then, which may be why. */
export function repeatVerdict(original: Run, repeat: Run): { identical: boolean; differences: string[] } {
  const outcome: string[] = [];
  if (repeat.weightDigest === null || repeat.weightDigest !== original.weightDigest) {
    outcome.push(`weights: ${shortDigest(original.weightDigest)} then, ${shortDigest(repeat.weightDigest)} now`);
  }
  for (const { name, left, right } of compareRuns(original, repeat).metrics) {
    if (!Object.is(left, right)) outcome.push(`metric ${name}: ${shown(left)} then, ${shown(right)} now`);
  }
  const identical = outcome.length === 0 && original.weightDigest !== null;
  if (identical) return { identical, differences: [] };
  const reasons = differencesOf(original, repeat).map(({ what, left, right }) => `${what}: ${left} then, ${right} now`);
  if (reasons.length === 0) reasons.push('code, data, parameters, seed and environment are the same as far as they are recorded');
  return { identical, differences: [...outcome, ...reasons].slice(0, verdictsMax) };
}

/** What a device says of itself, as far as it decides how a model answers there. */
export interface DeviceFacts {
  readonly agent: string;
  /** `node 20.20.2, onnxruntime-node 1.30.0` say. */
  readonly runtime: string;
  readonly os: string;
  readonly arch: string;
  readonly cpu: string;
  readonly cpuFlags?: readonly string[] | undefined;
}

/** Of the runtime, not of the program that carries it. */
const runtimeVersionIn = (text: string): string | undefined => /(?:onnxruntime|ort)[a-z-]*[ @/]v?(\d+\.\d+(?:\.\d+)?)/i.exec(text)?.[1];
const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');
const isOlder = (one: string, other: string): boolean => compareVersions(one, other) < 0;

const sameArch = (one: string, other: string): boolean => one === other || (/^(x64|x86_64|amd64)$/.test(one) && /^(x64|x86_64|amd64)$/.test(other));

/** What could make a device answer otherwise than the run's machine, in words; nothing where nothing matters. */
export function differencesOnDevice(trained: Environment, device: DeviceFacts): string[] {
  const words: string[] = [];
  if (!sameArch(device.arch, trained.arch)) {
    words.push(`another processor architecture (${device.arch}, trained on ${trained.arch}): sums are rounded in another order; golden vectors allow for it`);
  } else if (device.cpuFlags !== undefined && device.cpuFlags.length > 0) {
    const has = (flags: readonly string[], pattern: RegExp): boolean => flags.some((flag) => pattern.test(flag));
    if (has(trained.cpuFlags, /vnni/) && !has(device.cpuFlags, /vnni/))
      words.push('no VNNI: 8-bit models run slower, and products of full 8 bits would saturate');
    if (has(trained.cpuFlags, /^avx512f$/) && !has(device.cpuFlags, /^avx512f$/))
      words.push('no AVX-512: float models run slower and round otherwise in the last digits');
    if (has(trained.cpuFlags, /^avx2$/) && !has(device.cpuFlags, /^avx2$/)) words.push('no AVX2: models run several times slower');
  } else if (device.cpu !== trained.cpu) {
    words.push(`another processor (${device.cpu}), which does not tell its instruction sets: speed and the last digits may differ`);
  }
  const runtime = runtimeVersionIn(device.runtime);
  if (/web|wasm/i.test(device.runtime)) words.push(`runs in a browser (${device.runtime}): WebAssembly kernels, slower and rounded otherwise`);
  if (runtime === undefined) words.push('the version of its runtime is not known');
  else if (minorOf(runtime) !== minorOf(trained.ort)) {
    const age = isOlder(runtime, trained.ort) ? 'older' : 'newer';
    words.push(`${age} ONNX Runtime (${runtime}, trained with ${trained.ort}): kernels may differ${age === 'older' ? ', and operators may be missing' : ''}`);
  }
  if (isOlder(device.agent, trained.product)) words.push(`older agent (${device.agent}, the program that trained is ${trained.product})`);
  return words;
}

/** Devices that are alike count as one. */
export function environmentDiff(environment: Environment, devices: readonly DeviceFacts[]): EnvironmentReport {
  const groups = new Map<string, { device: DeviceFacts; count: number }>();
  for (const device of devices) {
    const { agent, runtime, os, arch, cpu, cpuFlags = [] } = device;
    const key = JSON.stringify([agent, runtime, os, arch, cpu, cpuFlags]);
    const group = groups.get(key) ?? { device, count: 0 };
    group.count += 1;
    groups.set(key, group);
  }
  return {
    environment,
    devices: [...groups.values()]
      .toSorted((one, other) => other.count - one.count)
      .map(({ device: { agent, runtime, os, arch, cpu, cpuFlags }, count }) => ({
        count,
        agent,
        runtime,
        os,
        arch,
        cpu,
        differences: differencesOnDevice(environment, { agent, runtime, os, arch, cpu, cpuFlags }),
      })),
  };
}
