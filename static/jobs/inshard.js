// The shard that the page's address names, for whatever asks the gateway.

export const looked = new URLSearchParams(location.search).get("shard");

/**
 * A path of the gateway, about that shard.
 * @param {string} path
 */
export function inShard(path) {
  if (!looked) return path;
  const shard = new URLSearchParams({ shard: looked });
  return `${path}${path.includes("?") ? "&" : "?"}${shard}`;
}
