// The books of both orders over one clock: stock, money, parcel, and where they disagree.

import { canvas, seconds, shape, text, widthOf } from "./draw.js";

const ROW = 24;
const GAP = 16;
const BOTTOM = 26;
const NAMES = { orchestration: "orchestrated", choreography: "choreographed" };

export function spans(run, clock) {
  const books = run.order.books ?? [];
  const end = run.order.ended ?? (clock.running ? clock.now : Math.max(clock.now, ...books.map((one) => one.at)));
  const found = { stock: [], money: [], parcel: [], apart: [] };
  const open = {};
  const turn = (name, on, at, content = "") => {
    if (on && open[name] === undefined) open[name] = { from: at, content };
    else if (!on && open[name] !== undefined) {
      found[name].push({ ...open[name], to: at });
      delete open[name];
    }
    if (on) open[name].content = content || open[name].content;
  };
  for (const one of books) {
    turn("stock", one.pieces > 0, one.at, `${one.pieces} ${one.pieces === 1 ? "piece" : "pieces"}`);
    turn("money", one.kept > 0, one.at, one.charged);
    turn("parcel", Boolean(one.parcel), one.at, one.parcel);
    turn("apart", !one.agree, one.at);
  }
  for (const [name, one] of Object.entries(open)) {
    const isKept = name !== "apart" && run.order.ended; // for good
    found[name].push({ ...one, to: isKept ? clock.began + clock.span : Math.max(end, one.from) });
  }
  return found;
}

export function total(list) {
  return list.reduce((sum, one) => sum + one.to - one.from, 0);
}

export function drawBooks(svg, runs, clock) {
  const width = Math.max(300, svg.clientWidth || 900);
  const left = width < 560 ? 58 : 84;
  const group = 18 + 3 * ROW + GAP;
  const height = runs.length * group + BOTTOM;
  canvas(svg, width, height);
  svg.append(shape("defs", {}, shape("pattern", { id: "hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, shape("line", { class: "hatch-line", x1: 0, x2: 0, y1: 0, y2: 7 }))));
  const x = (at) => left + (Math.min(Math.max(at - clock.began, 0), clock.span) / clock.span) * (width - left - 16);
  const floor = height - BOTTOM;
  for (const at of ticks(clock.span)) {
    const here = x(clock.began + at);
    svg.append(shape("line", { class: "tick", x1: here, x2: here, y1: 16, y2: floor }));
    svg.append(text(here, floor + 16, `${at / 1000} s`, "tick-name", { "text-anchor": at ? "middle" : "start" }));
  }
  runs.forEach((run, index) => {
    const top = index * group;
    const found = spans(run, clock);
    svg.append(text(0, top + 12, NAMES[run.style], `group ${run.style[0]}`));
    found.apart.forEach((one) => {
      const box = { x: x(one.from), y: top + 18, width: Math.max(2, x(one.to) - x(one.from)), height: 3 * ROW };
      svg.append(shape("rect", { class: "apart", ...box }), shape("rect", { class: "apart-edge", ...box }));
    });
    if (found.apart.length) {
      const name = `disagree for ${seconds(total(found.apart))}`;
      svg.append(text(Math.min(x(found.apart[0].from), width - 16 - widthOf(name)), top + 12, name, "apart-name"));
    }
    ["stock", "money", "parcel"].forEach((book, row) => {
      const y = top + 18 + row * ROW;
      svg.append(text(left - 10, y + 16, book, "row-name", { "text-anchor": "end" }));
      found[book].forEach((one) => {
        const wide = Math.max(3, x(one.to) - x(one.from));
        svg.append(shape("rect", { class: `held ${book}`, x: x(one.from), y: y + 4, width: wide, height: ROW - 8, rx: 4 }));
        if (wide > widthOf(one.content) + 10) svg.append(text(x(one.from) + 6, y + 16, one.content, "held-name"));
      });
    });
    if (run.order.ended) {
      const here = x(run.order.ended);
      const name = `${run.order.status} at ${seconds(run.order.ended - clock.began)}`;
      const fits = here + widthOf(name, "bold 12px system-ui") + 24 < width;
      svg.append(shape("line", { class: "end", x1: here, x2: here, y1: top + 18, y2: top + 18 + 3 * ROW }));
      svg.append(text(fits ? here + 5 : here - 5, top + 18 + 3 * ROW + 11, name, "end-name", { "text-anchor": fits ? "start" : "end" }));
    }
  });
  if (clock.running) svg.append(shape("line", { class: "now", x1: x(clock.now), x2: x(clock.now), y1: 4, y2: floor }));
}

function ticks(span) {
  const step = [50, 100, 250, 500, 1000, 2000, 5000, 10000, 20000, 60000].find((one) => span / one <= 9) ?? 120000;
  return Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => index * step);
}
