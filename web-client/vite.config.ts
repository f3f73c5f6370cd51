import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const runtimeFolder = path.join(path.dirname(createRequire(import.meta.url).resolve('onnxruntime-web/wasm')));
const runtimeFiles = ['ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'];

/** ONNX Runtime loads these two by name, from our own origin. */
const copyRuntime = (): Plugin => ({
  name: 'copy-onnxruntime',
  apply: 'build',
  writeBundle({ dir }) {
    const folder = path.join(dir ?? '', 'ort');
    mkdirSync(folder, { recursive: true });
    for (const file of runtimeFiles) copyFileSync(path.join(runtimeFolder, file), path.join(folder, file));
  },
});

export default defineConfig({
  base: '/web/',
  plugins: [copyRuntime()],
  resolve: { conditions: ['source', 'onnxruntime-web-use-extern-wasm', 'module', 'browser', 'development|production'] },
  worker: { format: 'es' },
  build: {
    outDir: 'dist/app',
    target: 'es2023',
    // The content policy allows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
