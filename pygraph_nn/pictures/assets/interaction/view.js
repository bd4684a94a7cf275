// Zoom and pan: which part of the drawing is in view.

import { picture } from "../model/dom.js";
import { drawing } from "../paint/scene.js";

/** @import { DrawnBox } from "../layout/arrangement.js" */

const MARGIN = 20;
const EDGE = 40;
const MOST_AT_FIT = 1.6;
const SCALES = { least: 0.02, most: 8, readable: 0.6, toRead: 0.9 };

let view = { x: 0, y: 0, scale: 1 };

/** Apply the view to the drawing. */
export function moveView() {
  const { x, y, scale } = view;
  const scene = picture.firstElementChild;
  scene?.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
}

/** Show the whole graph. */
export function fit() {
  const { width, height } = picture.getBoundingClientRect();
  const [toWidth, toHeight] = [width / (drawing.w + MARGIN), height / (drawing.h + MARGIN)];
  const scale = Math.min(toWidth, toHeight, MOST_AT_FIT);
  const [x, y] = [(width - drawing.w * scale) / 2, (height - drawing.h * scale) / 2];
  view = { x, y, scale };
  moveView();
}

/** Show the whole graph, or where its text would be too small to read, its beginning. */
export function fitToRead() {
  fit();
  if (view.scale >= SCALES.readable) return;
  view.scale = SCALES.toRead;
  const { width, height } = picture.getBoundingClientRect();
  const [w, h] = [drawing.w * view.scale, drawing.h * view.scale];
  // The beginning is at the left, and halfway down.
  view.x = w > width ? MARGIN / 2 : (width - w) / 2;
  view.y = (height - h) / 2;
  moveView();
}

/**
 * Zoom in by a factor; (x, y) of the window stays where it is, by default the middle.
 *
 * @param {number} factor
 * @param {number} [x]
 * @param {number} [y]
 */
export function zoom(factor, x, y) {
  const { width, height } = picture.getBoundingClientRect();
  x ??= width / 2;
  y ??= height / 2;
  const scale = Math.min(SCALES.most, Math.max(SCALES.least, view.scale * factor));
  const ratio = scale / view.scale;
  view = { scale, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio };
  moveView();
}

/**
 * Move the view by (dx, dy) pixels.
 *
 * @param {number} dx
 * @param {number} dy
 */
export function pan(dx, dy) {
  view.x += dx;
  view.y += dy;
  moveView();
}

/**
 * Move the view so that `after` is where `before` was.
 *
 * @param {DrawnBox} before
 * @param {DrawnBox} after
 */
export function keepInPlace(before, after) {
  pan((before.x - after.x) * view.scale, (before.y - after.y) * view.scale);
}

/**
 * Move the view to `box` if the box is not in view.
 *
 * @param {DrawnBox} box
 * @param {boolean} readable zoom in as well if the text is too small to read
 */
export function bringIntoView(box, readable = false) {
  const { width, height } = picture.getBoundingClientRect();
  if (readable && view.scale < SCALES.readable) view.scale = SCALES.toRead;
  const [x, y] = [view.x + box.x * view.scale, view.y + box.y * view.scale];
  const [w, h] = [box.w * view.scale, box.h * view.scale];
  if (x < EDGE || x + w > width - EDGE) view.x += width / 2 - (x + Math.min(w, width) / 2);
  if (y < EDGE || y + h > height - EDGE) view.y += height / 2 - (y + Math.min(h, height) / 2);
  moveView();
}
