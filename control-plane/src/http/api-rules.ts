import { uploadPieceBytesMax } from '@serin/protocol/api/data-routes';
import { explainPipeline } from './data-handlers.ts';
import type { RouteRules } from './routes.ts';

const pushBytesMax = 128 << 20;
/** A list of ten thousand files with their digests. */
const listBytesMax = 16 << 20;

export const apiRules: RouteRules = {
  perMinute: { signIn: 20, pushVersion: 60 },
  bodyBytesMax: {
    pushVersion: pushBytesMax,
    sendUpload: uploadPieceBytesMax,
    addDatasetVersion: listBytesMax,
    runPipeline: listBytesMax,
    importModel: listBytesMax,
  },
  explain: { runPipeline: explainPipeline },
};
