import { z } from 'zod/mini';
import { SerinError } from '../errors.ts';
import { digest, fleetId, modelName, timestampMs, versionNumber, type Digest, type FleetId } from '../ids.ts';
import { bundleBytesMax, chunkBytes } from '../limits.ts';
import { sha256 } from '../digest.ts';
import type { Keyset } from './keyset.ts';
import { chunkList, chunkRoot } from './chunks.ts';
import { openDocument, type SignedDocument } from './signing.ts';

/**
 * One logical model in several forms; which of them is best is a matter of the machine, so devices measure.
 * `fp32`, `fp16`: floats. `u8s8`, `u8u8`: static 8 bits, activations then weights. `dyn8`: 8-bit weights, activations
 * quantised as they come. `w8`, `w4`: weights alone in 8 or 4 bits.
 */
export const variant = z.enum(['fp32', 'fp16', 'u8s8', 'u8u8', 'dyn8', 'w8', 'w4']);
export type Variant = z.infer<typeof variant>;

/** A flat, safe file name inside the bundle folder. */
const bundlePath = z.string().check(z.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/));

export const bundleFile = z.object({
  /** `report`: what was measured of the version before it was signed; devices never fetch it. */
  role: z.enum(['model', 'golden', 'profile', 'preprocessing', 'explainer', 'report']),
  /** Only for role `model`: which variant this file is. Golden vectors may also be per variant. */
  variant: z.optional(variant),
  path: bundlePath,
  size: z.int().check(z.gte(1), z.lte(bundleBytesMax)),
  sha256: digest,
  chunkSize: z.int().check(z.gte(1024), z.lte(chunkBytes)),
  chunkRoot: digest,
});
export type BundleFile = z.infer<typeof bundleFile>;

const tensor = z.object({
  name: z.string().check(z.minLength(1), z.maxLength(128)),
  dtype: z.enum(['uint8', 'int8', 'int32', 'int64', 'float32', 'bool', 'string']),
  /** -1 is the batch, or any other free dimension. */
  shape: z.array(z.int().check(z.gte(-1), z.lte(1_000_000))).check(z.maxLength(8)),
});
export type TensorSpec = z.infer<typeof tensor>;

/** Of two classes: this one from the threshold upwards, whatever the other one's probability. */
const decision = z.object({ label: z.int().check(z.gte(0), z.lte(1)), threshold: z.number().check(z.gte(0), z.lte(1)) });
export type Decision = z.infer<typeof decision>;

export const manifest = z.object({
  v: z.literal(1),
  fleet: fleetId,
  model: modelName,
  /** Monotonic per model. */
  version: versionNumber,
  createdAt: timestampMs,
  minAgent: z.string().check(z.regex(/^\d+\.\d+\.\d+$/)),
  /**
   * `image-classification`: one uint8 NHWC frame in, `probabilities` out. `detection`: such a frame in, `detections` out
   * (rows of label, x, y, angle, score; the best first). `table`, `text`: one record, made into tensors as the file of role
   * `preprocessing` says; `probabilities` or a `value` out. `tensor`: anything else, served but not judged.
   */
  task: z.enum(['image-classification', 'detection', 'table', 'text', 'tensor']),
  inputs: z.array(tensor).check(z.minLength(1), z.maxLength(64)),
  outputs: z.array(tensor).check(z.minLength(1), z.maxLength(64)),
  labels: z.array(z.string().check(z.maxLength(128))).check(z.maxLength(10_000)),
  files: z.array(bundleFile).check(z.minLength(1), z.maxLength(32)),
  metrics: z.record(z.string().check(z.maxLength(64)), z.number()),
  /** Of models of records; the most probable class answers where it is absent. */
  decision: z.optional(decision),
});
export type Manifest = z.infer<typeof manifest>;

/** Tasks whose models answer the frames of a source; others are served and see none. */
export const takesFrames = ({ task }: Pick<Manifest, 'task'>): boolean => task === 'image-classification' || task === 'detection';

/** Tasks whose models answer records, one at a time, when they are asked. */
export const takesRecords = ({ task }: Pick<Manifest, 'task'>): boolean => task === 'table' || task === 'text';

/** What a bundle is built from: a file with its bytes, before it has a digest. */
export interface BundlePart {
  role: BundleFile['role'];
  variant?: Variant;
  path: string;
  bytes: Uint8Array;
}

/** Digest, length and chunk list of one part; the list is stored as a blob beside the file. */
export async function describePart(part: BundlePart): Promise<{ file: BundleFile; chunks: Uint8Array }> {
  const chunks = await chunkList(part.bytes, chunkBytes);
  const file = {
    role: part.role,
    ...(part.variant === undefined ? {} : { variant: part.variant }),
    path: part.path,
    size: part.bytes.length,
    sha256: await sha256(part.bytes),
    chunkSize: chunkBytes,
    chunkRoot: await chunkRoot(chunks),
  };
  return { file, chunks };
}

/** Verifies the release signature and the shape. `expect` comes from the director's order, so both must agree. */
export async function openManifest(document: SignedDocument, keys: Keyset, expect: { fleet: FleetId; model: string; version: number }): Promise<Manifest> {
  let content: unknown;
  try {
    content = await openDocument(document, 'manifest', keys.roles.release);
  } catch (cause) {
    throw new SerinError('BUNDLE_SIGNATURE_INVALID', { detail: cause instanceof SerinError ? (cause.detail ?? '') : '', cause });
  }
  const parsed = manifest.safeParse(content);
  if (!parsed.success) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: z.prettifyError(parsed.error).slice(0, 300) });
  const { fleet, model, version } = parsed.data;
  if (fleet !== expect.fleet || model !== expect.model || version !== expect.version) {
    throw new SerinError('BUNDLE_WRONG_FLEET', {
      detail: `${fleet}/${model} version ${version}, ordered ${expect.fleet}/${expect.model} version ${expect.version}`,
    });
  }
  return parsed.data;
}

export interface BundleChoice {
  variant: Variant;
  model: BundleFile;
  golden: BundleFile | undefined;
  profile: BundleFile | undefined;
  preprocessing: BundleFile | undefined;
  explainer: BundleFile | undefined;
}

/** The files that one variant needs: its own golden vectors before those of all, and so with the rest. Undefined where there is no such variant. */
export function choiceOf({ files }: Manifest, wanted: Variant): BundleChoice | undefined {
  const model = files.find((file) => file.role === 'model' && file.variant === wanted);
  if (model === undefined) return undefined;
  const ofRole = (role: BundleFile['role']) =>
    files.find((file) => file.role === role && file.variant === wanted) ?? files.find((file) => file.role === role && file.variant === undefined);
  return {
    variant: wanted,
    model,
    golden: ofRole('golden'),
    profile: ofRole('profile'),
    preprocessing: ofRole('preprocessing'),
    explainer: ofRole('explainer'),
  };
}

export const bundleSizeBytes = (bundle: Manifest): number => bundle.files.reduce((sum, file) => sum + file.size, 0);

export const blobsOf = (bundle: Manifest): Digest[] => bundle.files.flatMap((file) => [file.sha256, file.chunkRoot]);
