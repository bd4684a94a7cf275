// The lines of text in a box, and the room that they need.

import { countBoxes, isHolder, nameOf, timesOf } from "../model/graph.js";

/** @import { Item } from "../model/graph.js" */

/**
 * A line of text and its style: large and bold, large, or small.
 *
 * @typedef {[string, "name" | "" | "small"]} Line
 */

/** The font of all text in the drawing. */
export const FONT = "Helvetica, Arial, sans-serif";
/** Width of the mark "×20" on folded copies. */
export const TIMES_WIDTH = 26;
const LEAST_SIZE = 30;

const canvas = document.createElement("canvas").getContext("2d");
/** @type {Map<string, number>} */
const widths = new Map();

/**
 * Return the width of `text` in pixels.
 *
 * @param {string} text
 * @param {string} font
 */
export function textWidth(text, font) {
  const key = font + text;
  let width = widths.get(key);
  if (width === undefined) {
    if (canvas) canvas.font = font;
    width = canvas?.measureText(text).width ?? 7 * text.length;
    widths.set(key, width);
  }
  return width;
}

/**
 * Return the width of a wire's label, with a margin; 0 without a label.
 *
 * @param {string} label
 */
export const labelWidth = (label) => (label ? textWidth(label, `10px ${FONT}`) + 8 : 0);

/**
 * Return the heading of an open holder.
 *
 * @param {Item} holder
 */
export const headingOf = (holder) => holder.caption || nameOf(holder);

/**
 * Return the lines in the closed box of `item`, from the top.
 *
 * @param {Item} item
 */
export function linesOf(item) {
  const isSymbol = item.kind === "symbol";
  /** @type {Line[]} */
  const lines = [];
  if (item.caption && !isSymbol) lines.push([item.caption, "name"]);
  lines.push([nameOf(item), item.kind === "graph" && !item.caption ? "name" : ""]);
  if (item.caption && isSymbol) lines.push([item.caption, "small"]);
  if (!isSymbol) for (const detail of item.details || []) lines.push([detail, "small"]);
  if (isHolder(item)) lines.push([`${countBoxes(item)} nodes`, "small"]);
  return lines;
}

/**
 * Return the height of a line in pixels.
 *
 * @param {Line} line
 */
export const lineHeight = ([, style]) => (style === "small" ? 14 : 16);

/** @param {Line} line */
function lineWidth([text, style]) {
  const size = style === "small" ? 11 : 13;
  return textWidth(text, `${style === "name" ? "bold " : ""}${size}px ${FONT}`);
}

/**
 * Return the width and height of the closed box of `item`.
 *
 * @param {Item} item
 */
export function closedSize(item) {
  const lines = linesOf(item);
  const textW = Math.max(LEAST_SIZE, ...lines.map((line) => lineWidth(line) + 18));
  const textH = lines.reduce((sum, line) => sum + lineHeight(line), 12);
  const marks = (isHolder(item) ? 16 : 0) + (timesOf(item) > 1 ? TIMES_WIDTH : 0);
  return { w: textW + marks, h: Math.max(LEAST_SIZE, textH) };
}
