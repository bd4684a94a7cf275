// Sub- and superscripts: Unicode's small letters, drawn as real ones.

import { escaped } from "../model/dom.js";
import { FONT, textWidth } from "../layout/text.js";

const LOW = "₀₁₂₃₄₅₆₇₈₉₊₋ₜ";
const HIGH = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ˡ";
const PLAIN = { low: "0123456789+−t", high: "0123456789+−l" };
const SYMBOL = new RegExp(`(\\p{L}\\p{M}?)([${LOW}]*)([${HIGH}]*)`, "gu");
/** Size of an index, and how far it is moved down or up, relative to the text. */
const INDEX = { size: 0.72, down: 0.24, up: 0.38 };

/**
 * Return the markup of `text` in SVG: h with a low t−1 and a high 2 for "hₜ₋₁²".
 *
 * @param {string} text
 * @param {number} size of the font, in pixels
 */
export const inked = (text, size) =>
  escaped(text).replace(SYMBOL, (all, letter, low, high) =>
    low || high ? symbolMarkup(letter, low, high, size) : all,
  );

/**
 * @param {string} letter
 * @param {string} low
 * @param {string} high
 * @param {number} size
 */
function symbolMarkup(letter, low, high, size) {
  const small = (INDEX.size * size).toFixed(1);
  const [under, over] = [plain(low, LOW, PLAIN.low), plain(high, HIGH, PLAIN.high)];
  const back = under && over ? -textWidth(under, `${small}px ${FONT}`) : 0;
  let down = 0;
  const index = (/** @type {string} */ text, /** @type {number} */ to, dx = 0) => {
    const move = `dx="${dx.toFixed(1)}" dy="${(to - down).toFixed(1)}"`;
    down = to;
    return text && `<tspan ${move} font-size="${small}px">${text}</tspan>`;
  };
  const parts = [`<tspan font-style="italic">${letter}</tspan>`];
  if (under) parts.push(index(under, INDEX.down * size));
  if (over) parts.push(index(over, -INDEX.up * size, back));
  // An invisible space brings what follows back to the line.
  parts.push(`<tspan dy="${(-down).toFixed(1)}">\u200b</tspan>`);
  return parts.join("");
}

/**
 * @param {string} text
 * @param {string} from
 * @param {string} to
 */
const plain = (text, from, to) => [...text].map((c) => [...to][[...from].indexOf(c)]).join("");
