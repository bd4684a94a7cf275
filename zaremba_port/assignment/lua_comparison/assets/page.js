(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const COVERED = 56; // pixels at the top that a sticky caption covers
  const peek = document.getElementById("peek");
  let pinned = null; // the row that was tapped or clicked
  let current = null; // the highlighted row
  let lit = []; // this row, its partners and their curves

  const pairOf = (row) => row.closest(".pair");
  const sideOf = (row) => row.closest("figure").className;
  const group = (row) => [
    ...pairOf(row).querySelectorAll(`.row[data-group="${row.dataset.group}"]`),
  ];
  const partners = (row) => group(row).filter((other) => sideOf(other) !== sideOf(row));
  const inView = (row) => {
    const box = row.getBoundingClientRect();
    return box.top >= COVERED && box.bottom <= innerHeight;
  };

  function light(row) {
    for (const old of lit) old.classList.remove("lit");
    lit = [];
    current = row;
    peek.hidden = true;
    if (!row) return;
    lit = group(row);
    const pair = pairOf(row);
    lit.push(...pair.querySelectorAll(`path[data-group="${row.dataset.group}"]`));
    for (const now of lit) now.classList.add("lit");
    showPeek();
  }

  // Show the partner of the current line at the edge of the screen if it is out of view.
  function showPeek() {
    const rows = current ? partners(current) : [];
    peek.hidden = !rows.length || !inView(current) || rows.some(inView);
    if (peek.hidden) return;
    const title = document.createElement("b");
    const above = rows[0].getBoundingClientRect().top < COVERED;
    const figure = rows[0].closest("figure");
    title.textContent = (above ? "↑ " : "↓ ") + figure.querySelector("figcaption").textContent;
    const copies = rows.slice(0, 4).map((row) => {
      const copy = document.createElement("div");
      copy.className = "row";
      copy.append(...[".n", "code"].map((part) => row.querySelector(part).cloneNode(true)));
      return copy;
    });
    peek.replaceChildren(title, ...copies);
  }

  // Without a pointer on a row, highlight the focused match, or else the tapped one.
  function rest() {
    const active = document.activeElement;
    light(active && active.matches("a.t") ? active.closest(".row") : pinned);
  }

  function tagsOf(row) {
    return [...row.closest(".side").querySelectorAll("a.t")];
  }

  function focusTag(tag) {
    for (const other of tagsOf(tag.closest(".row"))) other.tabIndex = -1;
    tag.tabIndex = 0;
    tag.focus({ preventScroll: true });
    if (!inView(tag.closest(".row"))) tag.scrollIntoView({ block: "center" });
    light(tag.closest(".row"));
  }

  function cross(row) {
    const other = partners(row)[0];
    if (other) focusTag(other.querySelector("a.t"));
  }

  // Tab stops once in every panel; the arrow keys move between its matches.
  for (const side of document.querySelectorAll(".side")) {
    side.querySelectorAll("a.t").forEach((tag, i) => {
      tag.tabIndex = i ? -1 : 0;
    });
  }

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const row = event.target.closest(".row[data-group]");
    if (row) light(row);
    else if (lit.length) rest();
  });
  document.documentElement.addEventListener("pointerleave", rest);
  document.addEventListener("scroll", showPeek, { passive: true });
  document.addEventListener("focusin", rest);
  document.addEventListener("focusout", () => setTimeout(rest));

  document.addEventListener("click", (event) => {
    const row = event.target.closest(".row[data-group]");
    if (event.target.closest("a.t")) {
      event.preventDefault();
      pinned = null;
      cross(row);
    } else if (row) {
      if (String(getSelection())) return; // the user is selecting text
      pinned = pinned && group(pinned).includes(row) ? null : row;
      if (document.activeElement.matches("a.t")) document.activeElement.blur();
      light(pinned);
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      pinned = null;
      light(null);
      return;
    }
    const tag = event.target.closest && event.target.closest("a.t");
    if (!tag || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = tag.closest(".row");
    const tags = tagsOf(row);
    const at = tags.indexOf(tag);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: tags.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      if (tags[to]) focusTag(tags[to]);
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      if ((event.key === "ArrowRight") === (sideOf(row) === "lua")) cross(row);
    }
  });

  // Move matching rows to one height, where the order of the matches permits.
  function align(pair) {
    const rows = pair.querySelectorAll(".row");
    for (const row of rows) row.style.marginTop = "";
    if (!pair.querySelector(".wires").getBoundingClientRect().width) return;
    for (const [lua, python] of inOrder(firstRows(pair))) {
      const [a, b] = [lua, python].map((row) => row.getBoundingClientRect().top);
      if (Math.abs(a - b) > 0.5) (a < b ? lua : python).style.marginTop = `${Math.abs(a - b)}px`;
    }
  }

  // Return the first row of Lua and of Python of every match, in the order of Lua.
  function firstRows(pair) {
    const matches = new Map();
    for (const row of pair.querySelectorAll(".lua .row[data-group]")) {
      if (!matches.has(row.dataset.group)) matches.set(row.dataset.group, [row, partners(row)[0]]);
    }
    return [...matches.values()].filter(([, python]) => python);
  }

  // Return the longest list of matches whose rows are in the same order on both sides.
  function inOrder(matches) {
    const places = new Map();
    const chains = [];
    matches.forEach(([, row]) => places.set(row, row.getBoundingClientRect().top));
    const longest = matches.map(([, row], i) => {
      let best = [];
      for (let j = 0; j < i; j++) {
        if (places.get(matches[j][1]) < places.get(row) && chains[j].length > best.length) {
          best = chains[j];
        }
      }
      return (chains[i] = [...best, matches[i]]);
    });
    return longest.reduce((best, chain) => (chain.length > best.length ? chain : best), []);
  }

  // Mark the curves that would cross one drawn before: only their light shows them.
  function markCrossings(paths) {
    const drawn = [];
    for (const [path, y1, y2] of paths) {
      const crosses = drawn.some(([a, b]) => (a - y1) * (b - y2) < 0);
      path.classList.toggle("crossing", crosses);
      if (!crosses) drawn.push([y1, y2]);
    }
  }

  // Draw every match as a curve from circle to circle.
  function draw(pair) {
    align(pair);
    const svg = pair.querySelector(".wires");
    const frame = svg.getBoundingClientRect();
    const paths = [];
    if (frame.width) {
      const middle = (row) => {
        const box = row.querySelector("a.t").getBoundingClientRect();
        return [
          (box.left + box.right) / 2 - frame.left,
          (box.top + box.bottom) / 2 - frame.top,
          box.width / 2,
        ];
      };
      for (const row of pair.querySelectorAll(".lua .row[data-group]")) {
        for (const other of partners(row)) {
          const [x1, y1, r1] = middle(row);
          const [x2, y2, r2] = middle(other);
          const [a, b] = [x1 + r1, x2 - r2];
          const bend = (b - a) * 0.5;
          const path = document.createElementNS(SVG, "path");
          path.setAttribute("d", `M${a} ${y1}C${a + bend} ${y1} ${b - bend} ${y2} ${b} ${y2}`);
          path.dataset.group = row.dataset.group;
          paths.push([path, y1, y2]);
        }
      }
    }
    // Level curves first: they are the aligned rows.
    paths.sort((a, b) => Math.abs(a[1] - a[2]) - Math.abs(b[1] - b[2]));
    markCrossings(paths);
    svg.replaceChildren(...paths.map(([path]) => path));
  }

  const resized = new ResizeObserver((entries) => {
    for (const entry of entries) draw(entry.target.closest(".pair"));
    if (lit.length) rest();
  });
  for (const sides of document.querySelectorAll(".sides")) resized.observe(sides);
})();
