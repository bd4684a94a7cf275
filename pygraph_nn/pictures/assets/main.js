// Starts the page: draws the graph and listens to the reader.

import { closeAll, startFolding } from "./interaction/folding.js";
import { markMatches, startFinding } from "./interaction/finding.js";
import { startKeys } from "./interaction/keys.js";
import { startPointing } from "./interaction/pointer.js";
import { markChosen } from "./interaction/selection.js";
import { fitToRead, moveView } from "./interaction/view.js";
import { light, startWalking } from "./interaction/walking.js";
import { data } from "./model/graph.js";
import { afterDrawing, draw } from "./paint/scene.js";

/** A graph of more boxes than this is too large to read at once and starts closed. */
const MOST_BOXES_OPEN = 60;

startFolding();
startFinding();
startWalking();
startPointing();
startKeys();
for (const listener of [moveView, markMatches, markChosen, light]) afterDrawing(listener);
if (data.forward.length > MOST_BOXES_OPEN) closeAll();
draw();
fitToRead();
window.addEventListener("resize", fitToRead);
