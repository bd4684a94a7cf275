// Walking through the forward and the backward pass.

import { data, items, visible } from "../model/graph.js";
import { element } from "../model/dom.js";
import { lookUp } from "../model/maps.js";
import { boxElement, drawing, wireElements } from "../paint/scene.js";
import { describe } from "./about.js";
import { bringIntoView } from "./view.js";

const walk = [...data.forward, ...data.backward].map((id) => lookUp(items, id));
const half = data.forward.length;

const slider = element("step", HTMLInputElement);
const where = element("where", HTMLOutputElement);
const playButton = element("play", HTMLButtonElement);
const footer = /** @type {HTMLElement} */ (document.querySelector("footer"));

/** @type {ReturnType<typeof setInterval> | undefined} */
let player;

/** Light the boxes and wires that the pass has come to. */
export function light() {
  const step = Number(slider.value);
  const isBack = step > half;
  /** @type {Map<string, "forward" | "back">} */
  const lit = new Map();
  walk.slice(0, step).forEach((item, i) => {
    lit.set(visible(item).id, i >= half ? "back" : "forward");
  });
  const now = step ? visible(walk[step - 1]).id : null;
  for (const id of drawing.boxes.keys()) {
    const { classList } = boxElement(id);
    classList.toggle("lit", lit.has(id));
    classList.toggle("back", lit.get(id) === "back");
    classList.toggle("now", id === now);
  }
  drawing.wires.forEach(({ a, b }, i) => {
    const back = isBack && lit.get(b.id) === "back";
    for (const { classList } of wireElements[i]) {
      classList.toggle("lit", lit.has(a.id) && (back || lit.has(b.id)));
      classList.toggle("back", back);
    }
  });
  footer.classList.toggle("back", isBack);
  where.textContent = textOf(step);
  slider.setAttribute("aria-valuetext", where.textContent);
}

/** Describe the node that the pass has come to, and bring it into view. */
function showNow() {
  const step = Number(slider.value);
  const item = step ? walk[step - 1] : null;
  describe(item, step > half ? "backward" : "forward");
  const box = item && drawing.boxes.get(visible(item).id);
  if (box) bringIntoView(box);
}

/** Go to the step that the slider shows. */
function goToStep() {
  light();
  showNow();
}

/** @param {number} step */
function textOf(step) {
  const backward = walk.length - half;
  if (!step) return `${half} steps forward, ${backward} backward`;
  const { caption, name, text } = walk[step - 1];
  const place =
    step > half ? `backward ${step - half} of ${backward}` : `forward ${step} of ${half}`;
  return `${place}: ${caption || name || text}`;
}

/**
 * Start or stop walking by itself.
 *
 * @param {boolean} on
 */
export function play(on) {
  clearInterval(player);
  const delay = Math.max(30, Math.min(350, 20000 / walk.length));
  player = on ? setInterval(playStep, delay) : undefined;
  playButton.textContent = on ? "Stop" : "Play";
  playButton.setAttribute("aria-pressed", String(on));
}

function playStep() {
  if (Number(slider.value) >= walk.length) {
    play(false);
    return;
  }
  slider.value = String(Number(slider.value) + 1);
  goToStep();
}

/** Walk with the slider and the button. */
export function startWalking() {
  slider.max = String(walk.length);
  slider.addEventListener("input", goToStep);
  playButton.addEventListener("click", () => {
    if (Number(slider.value) >= walk.length) slider.value = "0";
    play(player === undefined);
  });
}
