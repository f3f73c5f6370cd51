import { openPython } from '../peer/python.ts';
import { batch, classes, rate, side } from './network.ts';

export interface Peer {
  readonly version: string;
  /** Milliseconds for this many steps. */
  time(steps: number): Promise<number>;
  close(): Promise<void>;
}

const program = `
import os, sys, time
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
threads = int(sys.argv[1])
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)
K, L = tf.keras, tf.keras.layers
model = K.Sequential([K.Input((${side}, ${side}, 1)),
  L.Conv2D(16, 3, padding='same', activation='relu'), L.MaxPool2D(), L.Conv2D(32, 3, padding='same', activation='relu'), L.MaxPool2D(),
  L.Flatten(), L.Dense(64, activation='relu'), L.Dense(${classes})])
optimiser = K.optimizers.Adam(${rate})
optimiser.build(model.trainable_variables)
lossOf = K.losses.CategoricalCrossentropy(from_logits=True)
@tf.function
def step(x, y):
  with tf.GradientTape() as tape:
    loss = lossOf(y, model(x, training=True))
  optimiser.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
  return loss
x = tf.constant(np.random.rand(${batch}, ${side}, ${side}, 1).astype('float32'))
y = tf.constant(np.eye(${classes}, dtype='float32')[np.random.randint(0, ${classes}, ${batch})])
for _ in range(20): step(x, y).numpy()
print('ready', tf.__version__, flush=True)
for line in sys.stdin:
  begun = time.perf_counter()
  for _ in range(int(line)): step(x, y).numpy()
  print((time.perf_counter() - begun) * 1000, flush=True)
`;

/** TensorFlow's CPU build in the user's Python, doing the same steps when asked; undefined where there is none. */
export async function openTensorflow(python: string, threads: number): Promise<Peer | undefined> {
  const peer = await openPython(python, program, [String(threads)]);
  return peer === undefined ? undefined : { version: peer.version, time: async (steps) => Number(await peer.ask(String(steps))), close: peer.close };
}
