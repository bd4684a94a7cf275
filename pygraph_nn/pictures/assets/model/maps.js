// Maps whose keys are present, and lists sorted into maps.

/**
 * Return the value of `key`, which must be in `map`.
 *
 * @template K, V
 * @param {Map<K, V>} map
 * @param {K} key
 * @returns {V}
 */
export function lookUp(map, key) {
  const value = map.get(key);
  if (value === undefined) throw new Error(`nothing is called "${key}"`);
  return value;
}

/**
 * Sort `list` into a map from each key to its entries, both in the order of the list.
 *
 * @template T
 * @param {T[]} list
 * @param {(entry: T) => string} keyOf
 * @returns {Map<string, T[]>}
 */
export function groupBy(list, keyOf) {
  /** @type {Map<string, T[]>} */
  const groups = new Map();
  for (const entry of list) {
    const group = groups.get(keyOf(entry));
    if (group) group.push(entry);
    else groups.set(keyOf(entry), [entry]);
  }
  return groups;
}
