import fc from 'fast-check';
import sharp from 'sharp';
import { expect, test } from 'vitest';

import { checkFrame, decodeImage, fitPicture, type FrameSettings } from './decode.ts';
import { place } from './placement.ts';
import { drawPicture, type PictureFormat } from './testing/pictures.ts';

const formats: readonly PictureFormat[] = ['jpeg', 'png', 'webp', 'tiff', 'gif'];
const small: FrameSettings = { width: 16, height: 16, channels: 3, fit: 'fill' };
const mean = (pixels: Uint8Array): number => pixels.reduce((sum, value) => sum + value, 0) / pixels.length;

test('every format gives the same picture, in colour and in grey', async () => {
  const wanted = await decodeImage(await drawPicture(1, 32, 24), small);
  for (const format of formats) {
    const bytes = await drawPicture(1, 32, 24, format);
    const { pixels, width, height } = await decodeImage(bytes, small);
    expect([pixels.length, width, height]).toEqual([16 * 16 * 3, 32, 24]);
    expect(mean(pixels.map((value, at) => Math.abs(value - (wanted.pixels[at] ?? 0))))).toBeLessThan(12);
    const grey = await decodeImage(bytes, { ...small, channels: 1 });
    expect(grey.pixels.length).toBe(16 * 16);
  }
});

test('grey, palette, 16-bit, CMYK and transparent pictures all become plain colour', async () => {
  const picture = sharp(await drawPicture(2, 20, 20));
  const kinds = [
    await picture.clone().toColourspace('b-w').png().toBuffer(),
    await picture.clone().png({ palette: true, colours: 4 }).toBuffer(),
    await picture.clone().toColourspace('rgb16').png().toBuffer(),
    await picture.clone().toColourspace('cmyk').jpeg().toBuffer(),
  ];
  for (const bytes of kinds) {
    expect((await decodeImage(bytes, small)).pixels.length).toBe(768);
    expect((await decodeImage(bytes, { ...small, channels: 1 })).pixels.length).toBe(256);
  }
  const clear = await sharp({ create: { width: 8, height: 8, channels: 4, background: { r: 200, g: 10, b: 10, alpha: 0 } } })
    .png()
    .toBuffer();
  expect((await decodeImage(clear, { ...small, background: 114 })).pixels.every((value) => value === 114)).toBe(true);
});

test('a picture lying on its side by its EXIF stands upright, and its size is that of the upright one', async () => {
  const upright = await drawPicture(3, 48, 16);
  const lying = await sharp(upright).rotate(-90).withMetadata({ orientation: 6 }).png().toBuffer();
  const frame: FrameSettings = { width: 48, height: 16, channels: 3 };
  const [one, other] = [await decodeImage(upright, frame), await decodeImage(lying, frame)];
  expect([other.width, other.height]).toEqual([48, 16]);
  expect(other.pixels).toEqual(one.pixels);
});

test('only the first picture of an animation is taken', async () => {
  const frames = Buffer.alloc(8 * 16 * 3, 10).fill(250, 8 * 8 * 3);
  const animation = await sharp(frames, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } })
    .gif({ delay: [10, 10] })
    .toBuffer();
  const { pixels, height } = await decodeImage(animation, small);
  expect(height).toBe(8);
  expect(mean(pixels)).toBeLessThan(20);
});

test('fitted pictures fill the frame or stand within it, in the middle, their proportions kept', () => {
  const side = fc.integer({ min: 1, max: 600 });
  fc.assert(
    fc.property(side, side, side, side, (width, height, frameWidth, frameHeight) => {
      const frame = { width: frameWidth, height: frameHeight };
      const inner = fitPicture({ width, height }, { ...frame, fit: 'contain' });
      expect(inner.width <= frameWidth && inner.height <= frameHeight && inner.left >= 0 && inner.top >= 0).toBe(true);
      expect(inner.width === frameWidth || inner.height === frameHeight).toBe(true);
      const outer = fitPicture({ width, height }, { ...frame, fit: 'cover' });
      expect(outer.width >= frameWidth && outer.height >= frameHeight && outer.left <= 0 && outer.top <= 0).toBe(true);
      expect(outer.width === frameWidth || outer.height === frameHeight).toBe(true);
      for (const fitted of [inner, outer]) {
        expect(Math.abs(2 * fitted.left + fitted.width - frameWidth)).toBeLessThanOrEqual(1);
        expect(Math.abs(2 * fitted.top + fitted.height - frameHeight)).toBeLessThanOrEqual(1);
        // Within the rounding of the shorter side.
        if (fitted.width > 1 && fitted.height > 1) {
          expect(Math.abs(fitted.width * height - fitted.height * width)).toBeLessThanOrEqual(0.5001 * Math.max(width, height) + 1e-6);
        }
      }
    }),
  );
});

test.each(['contain', 'cover', 'fill'] as const)('what is marked in a picture is where the frame shows it (%s)', async (fit) => {
  const [width, height] = [120, 80];
  const spot = { x: 66, y: 34 };
  const raw = Buffer.alloc(width * height * 3);
  for (let y = spot.y - 6; y < spot.y + 6; y += 1) for (let x = spot.x - 6; x < spot.x + 6; x += 1) raw.fill(255, (y * width + x) * 3, (y * width + x) * 3 + 3);
  const bytes = await sharp(raw, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  for (const frame of [
    { width: 64, height: 64 },
    { width: 40, height: 90 },
    { width: 200, height: 50 },
  ]) {
    const { pixels, toFrame } = await decodeImage(bytes, { ...frame, channels: 1, fit });
    const wanted = place(toFrame, spot);
    let [sum, x, y] = [0, 0, 0];
    pixels.forEach((value, at) => {
      sum += value;
      x += value * ((at % frame.width) + 0.5);
      y += value * (Math.floor(at / frame.width) + 0.5);
    });
    expect(Math.abs(x / sum - wanted.x)).toBeLessThan(0.15);
    expect(Math.abs(y / sum - wanted.y)).toBeLessThan(0.15);
  }
});

test.each(formats)('a truncated %s is refused, never decoded to half a picture', async (format) => {
  const bytes = await drawPicture(5, 64, 64, format);
  await expect(decodeImage(bytes.subarray(0, Math.floor(bytes.length / 2)), small)).rejects.toMatchObject({ kind: 'image-damaged' });
  await expect(decodeImage(bytes.subarray(0, 20), small)).rejects.toMatchObject({ kind: 'image-damaged' });
});

test('what is no picture, or one of a kind that is not accepted, is refused by its first bytes', async () => {
  const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>');
  for (const bytes of [drawing, Buffer.from('file,label\n'), Buffer.alloc(0), Buffer.alloc(3000)]) {
    await expect(decodeImage(bytes, small)).rejects.toMatchObject({ kind: 'image-unknown' });
  }
});

test('any bytes behind a true signature are refused or decoded, and nothing else happens', async () => {
  const bytes = await drawPicture(6, 16, 16, 'png');
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 8, max: 80 }), async (noise, at) => {
      const spoilt = Buffer.concat([bytes.subarray(0, at), noise]);
      await expect(decodeImage(spoilt, small)).rejects.toMatchObject({ kind: expect.stringMatching(/image-damaged|too-large/) });
    }),
    { numRuns: 40 },
  );
});

test('a small file that unfolds to a huge picture is refused before it is unfolded', async () => {
  const bomb = await sharp({ create: { width: 9000, height: 9000, channels: 3, background: '#000' } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  expect(bomb.length).toBeLessThan(2 ** 20);
  await expect(decodeImage(bomb, small)).rejects.toMatchObject({ kind: 'too-large', message: expect.stringContaining('67108864 pixels') });
  await expect(decodeImage(await drawPicture(7, 20, 20), small, { pixelsMax: 399 })).rejects.toMatchObject({ kind: 'too-large' });
});

test('a frame that cannot be is refused with its reason', () => {
  for (const [wrong, said] of [
    [{ ...small, width: 0 }, 'sides are 1 to 4096'],
    [{ ...small, height: 5000 }, 'sides are 1 to 4096'],
    [{ ...small, channels: 4 as 3 }, 'channels'],
    [{ ...small, background: 256 }, 'background'],
  ] as const) {
    expect(() => checkFrame(wrong)).toThrow(said);
  }
});
