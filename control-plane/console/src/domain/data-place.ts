/** `orders/4` names a version, `orders` the dataset alone. */
export function datasetPlace(id: string): { name: string; version: string | null } {
  const [, name, version] = /^([a-z0-9_-]+)[/@ ]v?(\d+)$/.exec(id) ?? [];
  return name === undefined || version === undefined ? { name: id, version: null } : { name, version };
}
