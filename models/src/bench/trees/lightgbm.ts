import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import type { FeatureMatrix } from '../../trees/feature-matrix.ts';
import { openPython } from '../peer/python.ts';
import type { SyntheticRows } from './data.ts';

export interface Peer {
  readonly version: string;
  /** Milliseconds from raw rows to trees. */
  time(threads: number): Promise<number>;
  /** Margins of the test rows by the trees of the last run. */
  scores(): Promise<Float64Array>;
  close(): Promise<void>;
}

const program = `
import sys, time, json
import numpy as np
import lightgbm as lgb
folder = sys.argv[1]
about = json.load(open(folder + '/about.json'))
def read(name):
  x = np.fromfile(folder + '/' + name + '.x', dtype='<f4').reshape(about['columns'], -1).T
  return np.ascontiguousarray(x), np.fromfile(folder + '/' + name + '.y', dtype='<f8')
x, y = read('train')
tx, ty = read('test')
print('ready', lgb.__version__, flush=True)
for line in sys.stdin:
  what = line.split()
  if what[0] == 'time':
    begun = time.perf_counter()
    data = lgb.Dataset(x, y, categorical_feature=about['categories'], params={'verbose': -1})
    model = lgb.train({'objective': 'binary', 'num_leaves': about['leaves'], 'learning_rate': about['rate'], 'max_bin': about['bins'],
      'min_data_in_leaf': about['leafRows'], 'num_threads': int(what[1]), 'verbose': -1, 'seed': 1}, data, num_boost_round=about['trees'])
    print((time.perf_counter() - begun) * 1000, flush=True)
  else:
    model.predict(tx, raw_score=True).astype('<f8').tofile(folder + '/scores')
    print('done', flush=True)
`;

export interface PeerOptions {
  readonly trees: number;
  readonly leaves: number;
  readonly rate: number;
  readonly bins: number;
  readonly leafRows: number;
}

/** LightGBM in the user's Python, growing as many trees on the same rows when asked; undefined where there is none. */
export async function openLightgbm(python: string, train: SyntheticRows, test: SyntheticRows, options: PeerOptions): Promise<Peer | undefined> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'serin-lightgbm-'));
  const write = async (name: string, { features, labels }: { features: FeatureMatrix; labels: Float64Array }): Promise<void> => {
    await writeFile(path.join(folder, `${name}.x`), new Uint8Array(features.values.buffer));
    await writeFile(path.join(folder, `${name}.y`), new Uint8Array(labels.buffer));
  };
  await write('train', train);
  await write('test', test);
  const { columns } = train.features;
  const categories = columns.flatMap(({ kind }, place) => (kind === 'category' ? [place] : []));
  await writeFile(path.join(folder, 'about.json'), JSON.stringify({ ...options, columns: columns.length, categories }));

  const peer = await openPython(python, program, [folder]);
  const forget = (): Promise<void> => rm(folder, { recursive: true, force: true });
  if (peer === undefined) {
    await forget();
    return undefined;
  }
  return {
    version: peer.version,
    time: async (threads) => Number(await peer.ask(`time ${threads}`)),
    scores: async () => {
      await peer.ask('scores');
      return new Float64Array((await readFile(path.join(folder, 'scores'))).slice().buffer);
    },
    async close() {
      await peer.close();
      await forget();
    },
  };
}
