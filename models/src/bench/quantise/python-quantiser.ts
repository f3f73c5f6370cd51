import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import type { Model } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openPython, type PythonPeer } from '../peer/python.ts';
import type { Examples } from './cases.ts';

const program = `
import json, os, sys, time, warnings, logging
warnings.filterwarnings('ignore'); logging.disable(logging.CRITICAL)
import numpy as np, onnx, onnxruntime
from onnx import version_converter
from onnxruntime.quantization import quantize_static, QuantFormat, QuantType, CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.shape_inference import quant_pre_process
answers = os.fdopen(os.dup(1), 'w', buffering=1)
os.dup2(2, 1)
class Reader(CalibrationDataReader):
  def __init__(self, examples): self.left = iter(examples)
  def get_next(self): return next(self.left, None)
def load(folder):
  examples = []
  for entry in json.load(open(folder + '/examples.json')):
    examples.append({name: np.fromfile(folder + '/' + part['file'], dtype=part['type']).reshape(part['dims']) for name, part in entry.items()})
  return examples
answers.write('ready ' + onnxruntime.__version__ + '\\n')
for line in sys.stdin:
  try:
    job = json.loads(line)
    folder = job['folder']
    # Its tools leave files where they are run.
    os.chdir(folder)
    model = onnx.load(folder + '/float.onnx')
    examples = load(folder)
    began = time.perf_counter()
    converted = ''
    if next(o.version for o in model.opset_import if o.domain in ('', 'ai.onnx')) < 13:
      try:
        model = version_converter.convert_version(model, 17)
        onnx.checker.check_model(model)
        onnxruntime.InferenceSession(model.SerializeToString())
        converted = 'opset 17 by version_converter'
      except Exception:
        model = onnx.load(folder + '/prepared.onnx')
        converted = 'our prepared graph, because version_converter failed'
    onnx.save(model, folder + '/in.onnx')
    try:
      quant_pre_process(folder + '/in.onnx', folder + '/pre.onnx')
    except Exception:
      quant_pre_process(folder + '/in.onnx', folder + '/pre.onnx', skip_symbolic_shape=True)
    settings = {} if job['operators'] is None else {'op_types_to_quantize': job['operators']}
    quantize_static(folder + '/pre.onnx', folder + '/out.onnx', Reader(examples), quant_format=QuantFormat.QDQ, per_channel=True,
      activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, **settings)
    answers.write(json.dumps({'seconds': time.perf_counter() - began, 'converted': converted}) + '\\n')
  except Exception as error:
    answers.write(json.dumps({'error': str(error)[:300]}) + '\\n')
  finally:
    os.chdir('/')
`;

export interface PythonResult {
  readonly bytes: Uint8Array;
  readonly seconds: number;
  /** How the model came to an opset that can be quantised per channel. */
  readonly converted: string;
}

export type PythonQuantiser = PythonPeer;

/** onnxruntime.quantization of the user's Python; undefined where there is none. */
export const openPythonQuantiser = (): Promise<PythonQuantiser | undefined> => openPython(process.env['SERIN_PYTHON'] ?? 'python3', program, []);

/** `quantize_static` with its defaults: QDQ, per channel, U8S8, min-max; or only operators of some kinds. */
export async function quantiseInPython(
  peer: PythonQuantiser,
  folder: string,
  { model, prepared, calibration, operators }: { model: Model; prepared: Model; calibration: Examples; operators?: readonly string[] },
): Promise<PythonResult | { readonly error: string }> {
  await writeFile(path.join(folder, 'float.onnx'), writeModel(model));
  await writeFile(path.join(folder, 'prepared.onnx'), writeModel(prepared));
  const entries: Record<string, unknown>[] = [];
  for (const [index, example] of calibration.entries()) {
    const entry: Record<string, unknown> = {};
    for (const [name, { type, dims, data }] of Object.entries(example)) {
      const file = `${index}.${name}.raw`;
      await writeFile(path.join(folder, file), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      entry[name] = { file, type, dims };
    }
    entries.push(entry);
  }
  await writeFile(path.join(folder, 'examples.json'), JSON.stringify(entries));
  const line = await peer.ask(JSON.stringify({ folder, operators: operators ?? null }));
  const answer = (line === undefined ? { error: 'it ended' } : JSON.parse(line)) as { error?: string; seconds?: number; converted?: string };
  if (answer.error !== undefined) return { error: answer.error };
  return { bytes: await readFile(path.join(folder, 'out.onnx')), seconds: answer.seconds ?? Number.NaN, converted: answer.converted ?? '' };
}
