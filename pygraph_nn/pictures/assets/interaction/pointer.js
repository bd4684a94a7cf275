// The pointer in the drawing: clicks choose, drags pan, the wheel zooms.

import { isHolder, isOpen, items } from "../model/graph.js";
import { element, picture } from "../model/dom.js";
import { lookUp } from "../model/maps.js";
import { drawing } from "../paint/scene.js";
import { toggle } from "./folding.js";
import { choose, chosen } from "./selection.js";
import { bringIntoView, fit, pan, zoom } from "./view.js";

/** A pointer that moves less than this many pixels clicks. */
const CLICK = 4;
const BUTTON_ZOOM = 1.3;
/** Zoom for each pixel, or line, that the wheel turns. */
const WHEEL_ZOOM = { pixel: 0.0015, line: 0.05 };

let isPressed = false;
/**
 * Where the pointer was pressed or dragged to.
 *
 * @type {{ x: number, y: number, moved: boolean } | null}
 */
let held = null;

/**
 * Return the item of the box in which an event happened.
 *
 * @param {Event} event
 */
function itemAt({ target }) {
  const box = target instanceof Element ? target.closest(".box") : null;
  return box instanceof SVGElement ? lookUp(items, box.dataset.id ?? "") : null;
}

/** @param {WheelEvent} event */
function onWheel(event) {
  event.preventDefault();
  const { left, top } = picture.getBoundingClientRect();
  const speed = event.deltaMode ? WHEEL_ZOOM.line : WHEEL_ZOOM.pixel;
  zoom(Math.exp(-event.deltaY * speed), event.clientX - left, event.clientY - top);
}

/** @param {PointerEvent} event */
function onMove(event) {
  if (!held || !event.buttons) return;
  const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
  if (!held.moved && Math.hypot(dx, dy) < CLICK) return;
  if (!held.moved) picture.setPointerCapture(event.pointerId);
  held = { x: event.clientX, y: event.clientY, moved: true };
  picture.classList.add("held");
  pan(dx, dy);
}

/** @param {MouseEvent} event */
function onClick(event) {
  if (held?.moved) return;
  const item = itemAt(event);
  if (!item) {
    choose(null);
  } else if (event.target instanceof Element && event.target.classList.contains("toggle")) {
    toggle(item);
  } else {
    choose(item);
    // The panel may have come over it.
    if (!isOpen(item)) bringIntoView(lookUp(drawing.boxes, item.id));
  }
}

/** Have the pointer choose, fold, pan and zoom, and the focus choose. */
export function startPointing() {
  picture.addEventListener("wheel", onWheel, { passive: false });
  picture.addEventListener("pointerdown", (event) => {
    isPressed = true;
    held = { x: event.clientX, y: event.clientY, moved: false };
  });
  picture.addEventListener("pointermove", onMove);
  window.addEventListener("pointerup", () => {
    isPressed = false;
    picture.classList.remove("held");
  });
  picture.addEventListener("click", onClick);
  picture.addEventListener("dblclick", (event) => {
    const item = itemAt(event);
    if (item && isHolder(item)) toggle(item);
  });
  picture.addEventListener("focusin", (event) => {
    // A click chooses; the start of a drag does not.
    const item = isPressed ? null : itemAt(event);
    if (item && item !== chosen) choose(item, false);
  });
  element("in", HTMLButtonElement).addEventListener("click", () => zoom(BUTTON_ZOOM));
  element("out", HTMLButtonElement).addEventListener("click", () => zoom(1 / BUTTON_ZOOM));
  element("fit", HTMLButtonElement).addEventListener("click", fit);
}
