// Paints the heat maps, and switches between values and gradients.

/** Colours from the lowest value to the highest, as in walk.css. */
const RAMPS = {
  share: [
    [255, 255, 255],
    [242, 177, 52],
    [122, 59, 0],
  ],
  signed: [
    [22, 81, 140],
    [255, 255, 255],
    [163, 49, 27],
  ],
};

/**
 * Return the colour between those of a ramp.
 *
 * @param {number[][]} ramp three colours
 * @param {number} share from 0 to 1
 */
function colour(ramp, share) {
  const place = share * 2;
  const start = Math.min(Math.floor(place), 1);
  return ramp[start].map((from, i) => from + (ramp[start + 1][i] - from) * (place - start));
}

/** @param {HTMLCanvasElement} canvas */
function paint(canvas) {
  const context = canvas.getContext("2d");
  if (!context) return;
  const bytes = Uint8Array.from(atob(canvas.dataset.pixels ?? ""), (c) => c.charCodeAt(0));
  const ramp = canvas.dataset.signed === "true" ? RAMPS.signed : RAMPS.share;
  const image = context.createImageData(canvas.width, canvas.height);
  bytes.forEach((byte, i) => image.data.set([...colour(ramp, byte / 255), 255], 4 * i));
  context.putImageData(image, 0, 0);
}

document.querySelectorAll("canvas").forEach(paint);
for (const radio of document.querySelectorAll("input[name=shown]")) {
  radio.addEventListener("change", () => {
    const kind = radio instanceof HTMLInputElement ? radio.value : "";
    for (const map of document.querySelectorAll(".map")) {
      map.toggleAttribute("hidden", map.getAttribute("data-kind") !== kind);
    }
  });
}
