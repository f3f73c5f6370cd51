/** Limits both sides hold; raising one is a protocol decision. */
export const controlBytesMax = 16 * 1024;
export const desiredBytesMax = 8 * 1024;
export const telemetryBytesMax = 64 * 1024;
export const sampleBytesMax = 64 * 1024;
/** Objects of one frame that are told of, detected or true. */
export const objectsPerFrameMax = 64;
export const chunkBytes = 64 * 1024;
export const chunkHeaderBytes = 6;
/** Largest packet on the wire: a chunk or a telemetry batch with its topic. */
export const packetBytesMax = 300 * 1024;
export const bundleBytesMax = 512 * 1024 * 1024;
export const manifestBytesMax = 256 * 1024;
export const windowsPerBatchMax = 64;
export const statisticsPerWindowMax = 64;
export const binsMax = 128;
/** Random features of an embedding; a window carries one number for each. */
export const embeddingFeaturesMax = 256;
export const creditChunksMax = 64;
