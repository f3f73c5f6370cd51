import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What a fold is learnt from, chosen by and judged on, as numbers of texts. */
export interface PeerFold {
  readonly learn: readonly number[];
  readonly choose: readonly number[];
  readonly test: readonly number[];
}

export interface PeerFigures {
  readonly name: string;
  readonly f1: readonly number[];
  /** Of one training with the settings chosen: from texts to weights. */
  readonly trainSeconds: readonly number[];
  /** From text to answer, one at a time. */
  readonly usPerText: number;
}

const program = `
import json, sys, time, warnings
warnings.filterwarnings('ignore')
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.pipeline import make_pipeline
from sklearn.metrics import f1_score
given = json.load(open(sys.argv[1]))
texts, labels, folds = given['texts'], given['labels'], given['folds']
pick = lambda values, indices: [values[index] for index in indices]
kinds = {
  'LogisticRegression': (lambda c: LogisticRegression(C=c, max_iter=1000), [10, 100]),
  'LinearSVC': (lambda c: LinearSVC(C=c), [0.1, 1, 10]),
}
def build(make, c, words):
  return make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, words)), make(c))
out = []
for name, (make, strengths) in kinds.items():
  f1, seconds, each = [], [], []
  for fold in folds:
    best = None
    for words in (1, 2):
      for c in strengths:
        model = build(make, c, words).fit(pick(texts, fold['learn']), pick(labels, fold['learn']))
        score = f1_score(pick(labels, fold['choose']), model.predict(pick(texts, fold['choose'])))
        if best is None or score > best[0]: best = (score, c, words)
    everything = fold['learn'] + fold['choose']
    begun = time.perf_counter()
    model = build(make, best[1], best[2]).fit(pick(texts, everything), pick(labels, everything))
    seconds.append(time.perf_counter() - begun)
    f1.append(f1_score(pick(labels, fold['test']), model.predict(pick(texts, fold['test']))))
  some = pick(texts, folds[-1]['test'])[:300]
  begun = time.perf_counter()
  for text in some: model.predict([text])
  out.append({'name': name, 'f1': f1, 'trainSeconds': seconds, 'usPerText': (time.perf_counter() - begun) / len(some) * 1e6})
print(json.dumps(out))
`;

/** scikit-learn in the user's Python on the same texts and folds, its settings chosen on the same validation; undefined where there is none. */
export async function runSklearn(
  python: string,
  given: { readonly texts: readonly string[]; readonly labels: readonly number[]; readonly folds: readonly PeerFold[] },
): Promise<PeerFigures[] | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-text-bench-'));
  try {
    const file = path.join(folder, 'texts.json');
    await writeFile(file, JSON.stringify(given));
    const child = spawn(python, ['-c', program, file], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => {
      child.once('error', () => resolve(null));
      child.once('close', resolve);
    });
    return code === 0 ? (JSON.parse(said) as PeerFigures[]) : undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
