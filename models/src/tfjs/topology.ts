import { field, invalid, isObject, listOf, objectOf, quote, readConfig, textOf, unsupported, type Config, type Json } from './config.ts';

/** Which result of which call of which layer. */
export interface Source {
  readonly layer: string;
  readonly call: number;
  readonly output: number;
}

export interface LayerSpec {
  readonly name: string;
  readonly className: string;
  readonly config: Config;
  /** What it is called with; a shared layer is called several times. */
  readonly calls: readonly (readonly Source[])[];
  /** A model used as a layer. */
  readonly network?: Network;
  /** The layer inside a wrapper. */
  readonly inner?: LayerSpec;
}

/** A Sequential or functional model; the former is a chain of calls here. */
export interface Network {
  readonly name: string;
  readonly layers: readonly LayerSpec[];
  readonly inputs: readonly Source[];
  readonly outputs: readonly Source[];
}

const layersMax = 10_000;
const callsMax = 1000;
const depthMax = 16;
const networkClasses: ReadonlySet<string> = new Set(['Sequential', 'Model', 'Functional', 'LayersModel']);
export const inputClass = 'InputLayer';

/** How much may still be read: a file must not grow by nesting. */
interface Budget {
  layers: number;
}

/** The network that a `model.json` describes. */
export function readTopology(document: unknown): Network {
  const file = objectOf(document, 'model.json');
  const format = field(file, 'format');
  if (format === 'graph-model' || !isObject(field(file, 'model_topology'))) {
    const found = format === 'graph-model' ? 'a graph model' : 'no layers model';
    throw unsupported(
      `the file is ${found}`,
      'Only Layers models are read: those of model.save() and of tensorflowjs_converter with --output_format tfjs_layers_model',
    );
  }
  const topology = objectOf(field(file, 'model_topology'), 'modelTopology');
  const given = field(topology, 'model_config') ?? topology;
  const { className, settings } = readClass(given, 'modelTopology');
  if (!networkClasses.has(className)) {
    throw unsupported(`the model is of a class of its own, ${quote(className)}`, 'Rebuild it as a Sequential or functional model');
  }
  return readNetwork(className, settings, 'model', { layers: layersMax }, 0);
}

function readClass(value: unknown, what: string): { className: string; settings: unknown; entry: Json } {
  const entry = objectOf(value, what);
  return { className: textOf(field(entry, 'class_name'), `the class of ${what}`), settings: field(entry, 'config'), entry };
}

function readNetwork(className: string, settings: unknown, otherwise: string, budget: Budget, depth: number): Network {
  if (depth > depthMax) throw invalid(`models are nested more than ${depthMax} deep`);
  // The oldest files have the list of layers itself.
  if (className === 'Sequential')
    return readSequential(Array.isArray(settings) ? { layers: settings } : objectOf(settings, 'a Sequential model'), otherwise, budget, depth);
  const config = objectOf(settings, 'a functional model');
  const name = nameOf(config, otherwise);
  const layers = listOf(field(config, 'layers'), `the layers of ${quote(name)}`, layersMax).map((entry) => readLayer(entry, budget, depth));
  refuseTwins(layers, name);
  const networks = new Set(layers.filter(({ network }) => network !== undefined).map((layer) => layer.name));
  // Call 0 of a model used as a layer is the model itself, by its own inputs.
  const counted = (source: Source): Source => (networks.has(source.layer) ? { ...source, call: source.call - 1 } : source);
  const ends = (key: string): Source[] => {
    const given = field(config, key);
    // One end may stand without the list around it.
    const list = Array.isArray(given) && typeof given[0] === 'string' ? [given] : given;
    return listOf(list, `${key} of ${quote(name)}`, callsMax).map((end) => counted(readSource(end, `${key} of ${quote(name)}`)));
  };
  const called = layers.map((layer) => ({ ...layer, calls: layer.calls.map((call) => call.map(counted)) }));
  return { name, layers: called, inputs: ends('input_layers'), outputs: ends('output_layers') };
}

const nameOf = (config: Json, otherwise: string): string => {
  const name = field(config, 'name') ?? undefined;
  return name === undefined ? otherwise : textOf(name, 'a name');
};

function refuseTwins(layers: readonly LayerSpec[], name: string): void {
  const names = new Set<string>();
  for (const layer of layers) {
    if (names.has(layer.name)) throw invalid(`${quote(name)} has two layers called ${quote(layer.name)}`);
    names.add(layer.name);
  }
}

function readSequential(config: Json, otherwise: string, budget: Budget, depth: number): Network {
  const name = nameOf(config, otherwise);
  const given = listOf(field(config, 'layers'), `the layers of ${quote(name)}`, layersMax).map((entry) => readLayer(entry, budget, depth));
  const [first] = given;
  if (first === undefined) throw invalid(`${quote(name)} has no layers`);
  const layers = first.className === inputClass ? given : [inputBefore(first, given), ...given];
  refuseTwins(layers, name);
  const chained = layers.map((layer, index): LayerSpec => {
    const before = layers[index - 1];
    return { ...layer, calls: before === undefined ? [] : [[only(before)]] };
  });
  const [start, end] = [chained[0], chained.at(-1)];
  return { name, layers: chained, inputs: start === undefined ? [] : [only(start)], outputs: end === undefined ? [] : [only(end)] };
}

const only = ({ name }: LayerSpec): Source => ({ layer: name, call: 0, output: 0 });

/** The input that a Sequential model has without saying so. */
function inputBefore(first: LayerSpec, layers: readonly LayerSpec[]): LayerSpec {
  const names = new Set(layers.map(({ name }) => name));
  let name = `${first.name}_input`;
  while (names.has(name)) name += '_';
  return { name, className: inputClass, config: readConfig(inputSettings(first), name, inputClass), calls: [] };
}

/** What a first layer says about the input of its model. */
function inputSettings({ config, network }: LayerSpec): Json {
  if (network !== undefined) {
    const inner = network.layers.find(({ name }) => name === network.inputs[0]?.layer);
    return inner === undefined ? {} : { batch_input_shape: shapeSetting(inner.config), dtype: inner.config.raw('dtype') };
  }
  return { batch_input_shape: shapeSetting(config), dtype: config.raw('dtype') };
}

/** All spellings of the shape of an input. */
export function shapeSetting(config: Config): unknown {
  const whole = config.raw('batch_input_shape') ?? config.raw('batch_shape');
  if (whole !== undefined) return whole;
  const rest = config.raw('input_shape');
  const [width, length] = [config.raw('input_dim'), config.raw('input_length')];
  if (Array.isArray(rest)) return [null, ...rest];
  // An Embedding counts its words with input_dim.
  if (config.raw('output_dim') !== undefined) return [null, ...(Array.isArray(length) ? length : [length ?? null])];
  return width === undefined ? undefined : [null, width];
}

function readLayer(value: unknown, budget: Budget, depth: number): LayerSpec {
  budget.layers -= 1;
  if (budget.layers < 0) throw invalid(`it has more than ${layersMax} layers`);
  const { className, settings, entry } = readClass(value, 'a layer');
  const nested = networkClasses.has(className);
  const own = isObject(settings) ? settings : {};
  if (!nested && !isObject(settings)) throw invalid(`the settings of a ${quote(className)} layer are not an object`);
  const name = textOf(field(entry, 'name') ?? field(own, 'name') ?? (nested ? 'sequential' : undefined), `the name of a ${quote(className)} layer`);
  const calls = readCalls(field(entry, 'inbound_nodes') ?? [], name);
  const base = { name, className, config: readConfig(own, name, className), calls };
  if (nested) return { ...base, network: readNetwork(className, settings, name, budget, depth + 1) };
  const inner = field(own, 'layer') ?? undefined;
  if (inner === undefined) return base;
  if (depth >= depthMax) throw invalid(`layers are nested more than ${depthMax} deep`);
  return { ...base, inner: readLayer(inner, budget, depth + 1) };
}

function readCalls(value: unknown, name: string): Source[][] {
  return listOf(value, `the inputs of ${quote(name)}`, callsMax).map((call) => {
    if (isObject(call))
      throw unsupported(`${quote(name)}: its inputs are written as Keras 3 does`, 'Save the model with Keras 2 (tf_keras) or with tfjs itself');
    return listOf(call, `a call of ${quote(name)}`, callsMax).map((source) => readSource(source, `a call of ${quote(name)}`));
  });
}

/** `[layer, call, output, settings of the call]` */
function readSource(value: unknown, what: string): Source {
  const [layer, call, output, extra] = listOf(value, what, 4);
  const isIndex = (index: unknown): index is number => Number.isInteger(index) && Number(index) >= 0;
  if (typeof layer !== 'string' || !isIndex(call) || !isIndex(output)) throw invalid(`${what} does not name a layer's output`);
  const settings = isObject(extra) ? Object.entries(extra).filter(([, each]) => each !== null) : [];
  if (settings.length > 0) {
    const names = settings.map(([key]) => quote(key)).slice(0, 5);
    throw unsupported(`${what}: it is called with ${names.join(', ')}`, 'Pass such values as inputs of the model');
  }
  return { layer, call, output };
}
