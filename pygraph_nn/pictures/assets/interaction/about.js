// The panel beside the graph, which describes the chosen node.

import { countBoxes, data, isHolder, isOpen, timesOf } from "../model/graph.js";
import { element, escaped } from "../model/dom.js";
import { KIND_NAMES } from "../paint/markup.js";

/** @import { Item, Statistics } from "../model/graph.js" */

/** The panel. */
export const about = element("about", HTMLElement);
/**
 * The item that the panel describes.
 *
 * @type {Item | null}
 */
export let described = null;

/**
 * Describe `item` in the panel; null clears it.
 *
 * @param {Item | null} item
 * @param {"forward" | "backward"} [pass] the pass that has come to it, whose numbers come first
 */
export function describe(item, pass) {
  described = item;
  about.hidden = !item;
  about.innerHTML = item ? description(item, pass).join("") : "";
}

/**
 * @param {Item} item
 * @param {"forward" | "backward" | undefined} pass
 */
function description(item, pass) {
  const kind = [KIND_NAMES[item.kind], item.caption && item.text].filter(Boolean).join(": ");
  const parts = [`<h2>${escaped(item.caption || item.text)}</h2>`, paragraph(kind)];
  const times = timesOf(item);
  if (times > 1) {
    parts.push(paragraph(`${times} copies with the same parameters; this is the first.`));
  }
  if (isHolder(item)) {
    const button = `<button type="button" id="toggle">${isOpen(item) ? "Close" : "Open"}</button>`;
    parts.push(`<p>${countBoxes(item)} nodes ${button}</p>`);
  }
  const value = statisticsTable("Value", item.value);
  const gradient = statisticsTable("Gradient", item.gradient);
  if (pass) parts.push(...numbersOf(item, pass, value, gradient));
  if (item.module) parts.push("<h3>Module</h3>", `<pre>${escaped(item.module)}</pre>`);
  if (item.inputs || item.shape) parts.push("<h3>Shapes</h3>");
  for (const shape of item.inputs || []) parts.push(paragraph(`in: ${shape}`));
  if (item.shape) parts.push(paragraph(`out: ${item.shape}`));
  if (item.parameters) parts.push(parametersTable(item.parameters));
  if (!pass) parts.push(value, gradient);
  if (item.nodes?.length) parts.push("<h3>Nodes</h3>", ...item.nodes.map(paragraph));
  if (item.source) parts.push("<h3>Declared at</h3>", paragraph(item.source));
  return parts;
}

/**
 * Return what a pass knows at `item`: going forward the value, going backward its gradient, too.
 *
 * @param {Item} item
 * @param {"forward" | "backward"} pass
 * @param {string} value
 * @param {string} gradient
 */
function numbersOf(item, pass, value, gradient) {
  const numbers = pass === "forward" ? value : gradient + value;
  if (numbers) return [numbers];
  if (isHolder(item)) return [];
  const missing = data.items.some((other) => other.value)
    ? "This node has no recorded value."
    : "No run is recorded: give the page one, values=nngraph.trace(g, input, gradOutput).";
  return [paragraph(item.shape ? `Shape ${item.shape}. ${missing}` : missing)];
}

/** @param {string} text */
const paragraph = (text) => `<p>${escaped(text)}</p>`;

/** @param {[string, string, number][]} parameters */
function parametersTable(parameters) {
  const total = parameters.reduce((sum, [, , count]) => sum + count, 0);
  const rows = parameters.map(
    ([name, shape, count]) =>
      `<tr><td>${escaped(name)}</td><td>${escaped(shape)}</td>` +
      `<td class="number">${count.toLocaleString("en")}</td></tr>`,
  );
  return `<h3>${total.toLocaleString("en")} parameters</h3><table>${rows.join("")}</table>`;
}

/**
 * @param {string} title
 * @param {Statistics[] | undefined} rows
 */
function statisticsTable(title, rows) {
  if (!rows?.length) return "";
  const body = rows.map(([shape, ...numbers]) => {
    const [nan, inf] = numbers.slice(-2);
    const cells = numbers.slice(0, -2).map((x) => `<td class="number">${short(x)}</td>`);
    const bad = `<td class="number${nan || inf ? " bad" : ""}">${nan}${inf ? ` + ${inf} inf` : ""}</td>`;
    return `<tr><td>${escaped(shape)}</td>${cells.join("")}${bad}</tr>`;
  });
  const heads = ["shape", "mean", "std", "min", "max", "NaN"].map((head) => `<th>${head}</th>`);
  return `<h3>${title}</h3><table><tr>${heads.join("")}</tr>${body.join("")}</table>`;
}

/**
 * Return a number with four digits; a dash for none.
 *
 * @param {number | null} x
 */
function short(x) {
  if (x === null) return "–";
  const text = x && Math.abs(x) < 1e-3 ? x.toExponential(2) : String(Number(x.toPrecision(4)));
  return text.replace("-", "−");
}
