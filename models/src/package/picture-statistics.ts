import { imageStatisticNames, measureImage, type FrameShape } from '@serin/inference/image-statistics';

/** What devices measure of frames, of many of them one after the other in one array. */
export function pictureStatistics(pixels: Uint8Array, shape: FrameShape): Record<string, Float64Array> {
  const bytes = shape.width * shape.height * shape.channels;
  const count = Math.floor(pixels.length / bytes);
  const found = Object.fromEntries(imageStatisticNames.map((name) => [name, new Float64Array(count)]));
  const measured = { brightness: 0, contrast: 0, sharpness: 0 };
  for (let place = 0; place < count; place += 1) {
    measureImage(pixels.subarray(place * bytes, (place + 1) * bytes), shape, measured);
    for (const name of imageStatisticNames) (found[name] as Float64Array)[place] = measured[name];
  }
  return found;
}
