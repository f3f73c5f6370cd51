import { existsSync } from 'node:fs';

/** Threads run compiled code; from source (tests) it lies in the build beside. */
export function builtModule(url: URL): URL {
  if (!import.meta.url.endsWith('.ts') || url.protocol !== 'file:') return url;
  const beside = new URL(url.href.replace(/\/src\/(?!.*\/src\/)/, '/dist/').replace(/\.ts$/, '.js'));
  return existsSync(beside) ? beside : url;
}
