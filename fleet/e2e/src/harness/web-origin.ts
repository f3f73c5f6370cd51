import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { designLight } from '@serin/inference/bin-scene/parameters';
import { trainBinPicking } from '@serin/models/examples/bin-picking/train';
import { describePart, type BundlePart, type Manifest } from '@serin/protocol/bundle/manifest';
import type { Keyset } from '@serin/protocol/bundle/keyset';
import { createKeyPair, importSigningKey, signDocument, type SignedDocument, type SigningKey } from '@serin/protocol/bundle/signing';
import { sha256 } from '@serin/protocol/digest';
import { errorCatalogue, type ErrorCode } from '@serin/protocol/errors';
import { fleetId, modelName, type Digest } from '@serin/protocol/ids';

/** A real trained version, signed, with every blob it consists of. */
export interface SignedVersion {
  fleet: string;
  model: string;
  version: number;
  manifest: SignedDocument;
  keyset: SignedDocument;
  rootKeyId: string;
  release: SigningKey;
  /** A key nobody trusts. */
  stranger: SigningKey;
  blobs: Map<Digest, Uint8Array>;
  content: Manifest;
}

const newKey = async (): Promise<SigningKey> => importSigningKey(await createKeyPair());
const year = 365 * 24 * 3_600_000;

/** Trains for seconds on rendered frames: small, but a model that answers. */
export async function makeSignedVersion(version = 3): Promise<SignedVersion> {
  const [root, release, director, stranger] = [await newKey(), await newKey(), await newKey(), await newKey()];
  const role = ({ id, publicKey }: SigningKey) => ({ keys: [{ id, publicKey }], threshold: 1 });
  const fleet = fleetId.parse('hall');
  const model = modelName.parse('picker');
  const keyset: Keyset = { v: 1, fleet, version: 1, expires: Date.now() + year, roles: { root: role(root), release: role(release), director: role(director) } };

  const trained = await trainBinPicking({
    seed: 1,
    baseFrames: 160,
    epochs: 1,
    light: designLight,
    framesPerWindow: 60,
    start: 'starter',
    counts: { heldOut: 100, unseen: 64, reference: 200, disturbed: 1, queries: 40 },
  });
  const blobs = new Map<Digest, Uint8Array>();
  const files: Manifest['files'] = [];
  for (const part of trained.files) {
    const { file, chunks } = await describePart(part);
    files.push(file);
    blobs.set(file.sha256, part.bytes).set(file.chunkRoot, chunks);
  }
  const { task, inputs, outputs, labels, metrics } = trained;
  const content: Manifest = {
    v: 1,
    fleet,
    model,
    version,
    createdAt: Date.now(),
    minAgent: '0.1.0',
    task,
    inputs,
    outputs,
    labels: [...labels],
    files,
    metrics,
  };
  return {
    fleet,
    model,
    version,
    manifest: await signDocument('manifest', content, [release]),
    keyset: await signDocument('keyset', keyset, [root]),
    rootKeyId: root.id,
    release,
    stranger,
    blobs,
    content,
  };
}

/** The same version with other content in one file, signed by the same release key: wrong, but authentic. */
export async function withPart(version: SignedVersion, part: BundlePart): Promise<SignedVersion> {
  const { file, chunks } = await describePart(part);
  const isReplaced = ({ role, variant }: Manifest['files'][number]): boolean => role === part.role && variant === part.variant;
  const content = { ...version.content, files: version.content.files.map((old) => (isReplaced(old) ? file : old)) };
  const blobs = new Map(version.blobs).set(file.sha256, part.bytes).set(file.chunkRoot, chunks);
  return { ...version, content, blobs, manifest: await signDocument('manifest', content, [version.release]) };
}

/** What the control plane sends with every page; the client must live within it. */
const contentPolicy =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
const contentTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
};

export interface WebOrigin {
  url: string;
  /** Changes what it answers from now on. */
  version: SignedVersion;
  /** Requests by path, for tests of what was fetched. */
  requests: string[];
  close(): Promise<void>;
}

/** The little of the control plane that a browser device meets: the page, the channel, the blobs. */
export async function startWebOrigin(appFolder: string, version: SignedVersion): Promise<WebOrigin> {
  const origin: WebOrigin = { url: '', version, requests: [], close: () => closeServer(server) };
  const server = createServer((request, response) => {
    void answer(origin, appFolder, request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  origin.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  return origin;
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

async function answer({ version, requests }: WebOrigin, appFolder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  requests.push(pathname);
  if (pathname === `/api/web/${version.model}`) {
    const { fleet, model, manifest, keyset, rootKeyId } = version;
    const manifestDigest = await sha256(new TextEncoder().encode(JSON.stringify(manifest)));
    sendJson(response, 200, { fleet, model, version: version.version, manifestDigest, manifest, keyset, rootKeyId });
    return;
  }
  if (pathname.startsWith('/api/')) {
    refuse(response, 'NOT_FOUND');
    return;
  }
  if (pathname.startsWith('/blobs/')) {
    sendBlob(response, version.blobs.get(pathname.slice('/blobs/'.length) as Digest), request.headers.range);
    return;
  }
  const name = pathname === '/web/' ? 'index.html' : path.normalize(pathname.replace(/^\/web\//, ''));
  const file = path.join(appFolder, name);
  if (!pathname.startsWith('/web/') || !file.startsWith(appFolder) || !existsSync(file)) {
    response.writeHead(404).end();
    return;
  }
  response
    .writeHead(200, { 'content-type': contentTypes[path.extname(file)] ?? 'application/octet-stream', 'content-security-policy': contentPolicy })
    .end(readFileSync(file));
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: ErrorCode): void {
  const { message, hint, status } = errorCatalogue[code];
  sendJson(response, status, { code, message, hint });
}

function sendBlob(response: ServerResponse, blob: Uint8Array | undefined, range: string | undefined): void {
  if (blob === undefined) return refuse(response, 'BLOB_NOT_FOUND');
  const asked = /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
  const headers = { 'content-type': 'application/octet-stream', 'cache-control': 'public, max-age=31536000, immutable' };
  if (asked === null) {
    response.writeHead(200, headers).end(blob);
    return;
  }
  const [from, to] = [Number(asked[1]), Number(asked[2])];
  response.writeHead(206, { ...headers, 'content-range': `bytes ${from}-${to}/${blob.length}` }).end(blob.subarray(from, to + 1));
}
