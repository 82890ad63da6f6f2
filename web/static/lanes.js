// One style's order as a drawing: a line for each service, time to the right, and what travels between them.

import { canvas, seconds, shape, text, widthOf } from "./draw.js";

export const SERVICES = ["orders", "fraud", "inventory", "payments", "shipping"];
const ROW = 46;
const TOP = 24;
const RIGHT = 16;
// The workflow asks for these two at the same time; workflows/order_saga.py has it.
const TOGETHER = new Set(["fraud.screen", "inventory.reserve"]);

export function drawLanes(svg, run, clock) {
  const width = Math.max(300, svg.clientWidth || 600);
  const left = width < 460 ? 68 : 86;
  const head = run.style === "orchestration" ? "workflow" : "people";
  const rows = [head, ...SERVICES];
  canvas(svg, width, TOP + (rows.length - 1) * ROW + 24);
  const x = (at) => left + ((at - clock.began) / clock.span) * (width - left - RIGHT);
  const y = (name) => TOP + Math.max(0, rows.indexOf(name)) * ROW;
  rows.forEach((name, index) => {
    svg.append(shape("line", { class: "lane", x1: left, x2: width - RIGHT, y1: y(name), y2: y(name) }));
    svg.append(text(0, y(name) + 4, name === "people" ? "customer" : name, index ? "row-name" : "row-name head"));
  });
  const taken = rows.map(() => []);
  const label = (row, at, content, className) => {
    const size = widthOf(content) + 6;
    const start = Math.min(Math.max(x(at), left), width - RIGHT - size + 6);
    for (const [level, dy] of [-9, 17].entries()) {
      const crowded = taken[row].some((one) => one.level === level && start < one.to && start + size > one.from);
      if (!crowded) {
        taken[row].push({ level, from: start, to: start + size });
        svg.append(text(start, TOP + row * ROW + dy, content, `label ${className}`));
        return;
      }
    }
  };
  if (run.style === "orchestration") conducted(svg, run, clock, x, y, rows, label);
  else reacting(svg, run, clock, x, y, rows, label);
  if (clock.running) svg.append(shape("line", { class: "now", x1: x(clock.now), x2: x(clock.now), y1: 6, y2: TOP + (rows.length - 1) * ROW + 12 }));
}

// The workflow asks a service, and gets its answer: a bar from the one to the other.
function conducted(svg, run, clock, x, y, rows, label) {
  const began = clock.began; // both were placed then; the workflow publishes nothing before its first step is done
  const until = run.order.ended ?? clock.now;
  svg.append(shape("line", { class: "head-lane", x1: x(began), x2: x(until), y1: y("workflow"), y2: y("workflow") }));
  let before = began;
  let beforeTogether = began;
  for (const event of run.events) {
    if (!SERVICES.includes(event.source) || !event.step) continue;
    const since = TOGETHER.has(event.step) ? beforeTogether : before;
    asked(svg, x(since), x(event.at), y("workflow"), y(event.source), event.kind, event.type);
    label(rows.indexOf(event.source), since, event.step.split(".")[1], event.kind);
    if (!TOGETHER.has(event.step)) beforeTogether = event.at;
    before = Math.max(before, event.at);
  }
  for (const step of run.order.steps ?? []) {
    if (step.state !== "running" || run.order.ended) continue;
    const row = rows.indexOf(step.step.split(".")[0]);
    const since = TOGETHER.has(step.step) ? beforeTogether : before;
    svg.append(shape("rect", { class: "bar running", x: x(since), y: y(rows[row]) - 6, width: Math.max(3, x(clock.now) - x(since)), height: 12, rx: 3 }));
    svg.append(shape("line", { class: "wire", x1: x(since), x2: x(since), y1: y("workflow"), y2: y(rows[row]) }));
    label(row, since, `${step.step.split(".")[1]} …${attempts(run, step.step)}`, run.retrying?.(step.step) ? "trouble" : "");
  }
  if (run.order.stage === "review") label(0, before, "held: a person decides", "");
  if (run.order.ended) label(0, run.order.ended, run.order.status, run.order.status === "completed" ? "" : "refused");
}

function attempts(run, step) {
  const found = run.retrying?.(step);
  return found ? ` attempt ${found.attempt}` : "";
}

function asked(svg, x0, x1, top, row, kind, name) {
  const wide = Math.max(3, x1 - x0);
  svg.append(shape("line", { class: `wire ${kind}`, x1: x0, x2: x0, y1: top, y2: row }));
  svg.append(shape("line", { class: `wire ${kind}`, x1, x2: x1, y1: top, y2: row }));
  svg.append(shape("rect", { class: `bar ${kind}`, x: x0, y: row - 6, width: wide, height: 12, rx: 3 }));
  svg.append(shape("circle", { class: `event ${kind}`, cx: x1, cy: row, r: 5.5 }, shape("title", {}, name)));
}

// An event leaves a service, and is what another reacts to: a curve from the one to the other.
function reacting(svg, run, clock, x, y, rows, label) {
  const byId = new Map(run.events.map((event) => [event.id, event]));
  const lane = (event) => (SERVICES.includes(event.source) ? event.source : "people");
  for (const event of run.events) {
    const cause = byId.get(event.cause);
    if (!cause) continue;
    const [x0, y0, x1, y1] = [x(cause.at), y(lane(cause)), x(event.at), y(lane(event))];
    const bend = Math.max(10, Math.abs(x1 - x0) * 0.55);
    const d = y0 === y1 ? `M${x0} ${y0}Q${(x0 + x1) / 2} ${y0 - 22} ${x1} ${y1}` : `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`;
    svg.append(shape("path", { class: `wire ${event.kind}`, d }));
  }
  for (const event of run.events) {
    svg.append(shape("circle", { class: `event ${event.kind}`, cx: x(event.at), cy: y(lane(event)), r: 5.5 }, shape("title", {}, `${event.type}, ${seconds(event.at - clock.began)}`)));
    label(rows.indexOf(lane(event)), event.at, event.type, event.kind);
  }
  for (const one of run.order.retrying ?? []) {
    const row = Math.max(0, rows.indexOf(one.step.split(".")[0]));
    const since = Math.max(one.since, clock.began);
    svg.append(shape("rect", { class: "bar running", x: x(since), y: y(rows[row]) - 6, width: Math.max(3, x(clock.now) - x(since)), height: 12, rx: 3 }));
    label(row, since, `${one.step.split(".")[1] ?? one.step}, attempt ${one.attempt}`, "trouble");
  }
}
