/** Wire protocol version. The server speaks this one and the one before; a device says its own in hello. */
export const protocolVersion = 4;

export const speaksProtocol = (version: number): boolean => version === protocolVersion || version === protocolVersion - 1;

/** One line per version, newest last: what changed on the wire and why. */
export const protocolHistory: readonly string[] = [
  '1: first version',
  '2: detection: a manifest may have that task, and a sample then carries objects instead of one label; a device of version 1 refuses such a bundle and serves on',
  '3: tables and texts: a manifest may have these tasks, with a decision and files of the roles preprocessing and explainer, and statistics named after columns, and a hello may list what the processor can do; a device of version 2 refuses such a bundle and serves on',
  '4: variants: a manifest may carry fp16, u8u8, dyn8, w8 and w4 and a file of role report, devices tell what they measured of each, and windows may count class by confidence and the moments of an embedding; a device of version 3 refuses such a bundle and serves on',
];

/** Version of the programs, told by devices in hello and compared with a bundle's `minAgent`. */
export const productVersion = '0.1.0';

/** Semantic order of two `major.minor.patch` strings: negative, zero or positive. */
export function compareVersions(left: string, right: string): number {
  const parse = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [parse(left), parse(right)];
  for (let index = 0; index < 3; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
