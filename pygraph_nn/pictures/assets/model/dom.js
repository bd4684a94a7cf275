// Elements of the page, and text made safe for its markup.

/**
 * Return the element `id` of the page.
 *
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type the class of the element
 * @returns {T}
 */
export function element(id, type) {
  /** @type {Element | null} */
  const candidate = document.getElementById(id);
  if (!(candidate instanceof type)) throw new TypeError(`the page has no ${type.name} "${id}"`);
  return candidate;
}

/**
 * Escape `text` for an element or a quoted attribute.
 *
 * @param {string} text
 */
export const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** The drawing of the graph. */
export const picture = element("picture", SVGSVGElement);
