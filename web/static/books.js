// The books of both orders over one clock: stock, money, parcel, and where they disagree.

import { brokenAxis, canvas, duration, moment, shape, text, widthOf } from "./draw.js";
import { inWords } from "./lanes.js";
import { breaks, share, ticks } from "./scale.js";

const ROW = 24;
const GAP = 20;
const TOP = 14;
const BOTTOM = 26;
const NAMES = { orchestration: "orchestrated", choreography: "choreographed" };

export function spans(run, clock) {
  const books = run.order.books ?? [];
  const until = run.order.ended ?? clock.now;
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
    found[name].push({ ...one, to: isKept ? Infinity : Math.max(until, one.from) });
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
  const height = TOP + runs.length * group + BOTTOM;
  canvas(svg, width, height);
  svg.append(shape("defs", {}, shape("pattern", { id: "hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, shape("line", { class: "hatch-line", x1: 0, x2: 0, y1: 0, y2: 7 }))));
  const x = (at) => left + share(clock, at) * (width - left - 16);
  const floor = height - BOTTOM;
  let free = 0; // names of ticks do not run into each other
  for (const at of ticks(clock)) {
    const here = x(clock.began + at);
    const name = moment(at, at % 1000 ? 2 : 0);
    svg.append(shape("line", { class: "tick", x1: here, x2: here, y1: TOP + 10, y2: floor }));
    const size = widthOf(name);
    if (here - size / 2 < free) continue;
    free = here + size / 2 + 8;
    svg.append(text(here, floor + 18, name, "tick-name", { "text-anchor": at ? "middle" : "start" }));
  }
  for (const one of breaks(clock)) brokenAxis(svg, x(one.from), x(one.to), TOP, floor, duration(one.to - one.from));
  for (const at of clock.kills.filter((one) => one <= clock.now)) {
    svg.append(shape("line", { class: "kill", x1: x(at), x2: x(at), y1: TOP, y2: floor }));
    svg.append(text(x(at) + 3, TOP - 3, "kill -9", "kill-name"));
  }
  runs.forEach((run, index) => drawOne(svg, run, clock, x, TOP + index * group, left, width));
  if (clock.running) svg.append(shape("line", { class: "now", x1: x(clock.now), x2: x(clock.now), y1: 4, y2: floor }));
}

function drawOne(svg, run, clock, x, top, left, width) {
  const found = spans(run, clock);
  const bottom = top + 18 + 3 * ROW;
  svg.append(text(0, top + 12, NAMES[run.style], `group ${run.style[0]}`));
  found.apart.forEach((one) => {
    const box = { x: x(one.from), y: top + 18, width: Math.max(2, x(one.to) - x(one.from)), height: 3 * ROW };
    svg.append(shape("rect", { class: "apart", ...box }), shape("rect", { class: "apart-edge", ...box }));
  });
  if (found.apart.length) {
    const name = `disagree for ${moment(total(found.apart))}`;
    const start = Math.min(x(found.apart[0].from), width - 16 - widthOf(name));
    svg.append(text(Math.max(start, widthOf(NAMES[run.style], "bold 12px system-ui") + 12), top + 12, name, "apart-name"));
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
  const marks = run.resolved.map((one) => ({ at: one.at, name: inWords(one) }));
  if (run.order.ended) marks.push({ at: run.order.ended, name: `${run.order.status} at ${moment(run.order.ended - clock.began)}` });
  let free = left;
  for (const { at, name } of marks) {
    const here = x(at);
    const size = widthOf(name, "bold 12px system-ui");
    const start = Math.max(free, here + size + 12 < width ? here + 5 : here - size - 5);
    free = start + size + 10;
    svg.append(shape("line", { class: "end", x1: here, x2: here, y1: top + 18, y2: bottom }));
    svg.append(text(start, bottom + 12, name, "end-name"));
  }
}
