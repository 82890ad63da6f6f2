// One style's order as a drawing: a line for each service, time to the right, and what travels between them.

import { brokenAxis, canvas, duration, moment, shape, text, widthOf } from "./draw.js";
import { breaks, share } from "./scale.js";

export const SERVICES = ["orders", "fraud", "inventory", "payments", "shipping"];
const OPERATORS = "operators";
const ROW = 46;
const TOP = 30;
const RIGHT = 16;
// The workflow asks for these two at the same time; workflows/order_saga.py has it.
const TOGETHER = new Set(["fraud.screen", "inventory.reserve"]);
const FOR_OPERATORS = new Set(["AttentionNeeded", "AttentionSettled", "ReviewDecided"]);

export function drawLanes(svg, run, clock) {
  const width = Math.max(300, svg.clientWidth || 600);
  const left = width < 460 ? 68 : 86;
  const head = run.style === "orchestration" ? "workflow" : "customer";
  const rows = [head, ...SERVICES, ...(clock.withOperators ? [OPERATORS] : [])];
  const floor = TOP + (rows.length - 1) * ROW;
  canvas(svg, width, floor + 26);
  const x = (at) => left + share(clock, at) * (width - left - RIGHT);
  const y = (name) => TOP + Math.max(0, rows.indexOf(name)) * ROW;
  for (const one of breaks(clock)) brokenAxis(svg, x(one.from), x(one.to), 14, floor + 12, duration(one.to - one.from));
  rows.forEach((name, index) => {
    svg.append(shape("line", { class: "lane", x1: left, x2: width - RIGHT, y1: y(name), y2: y(name) }));
    svg.append(text(0, y(name) + 4, name, index ? "row-name" : "row-name head"));
  });
  for (const at of clock.kills.filter((one) => one <= clock.now)) {
    svg.append(shape("line", { class: "kill", x1: x(at), x2: x(at), y1: 12, y2: floor + 12 }, shape("title", {}, "the worker was killed")));
    svg.append(text(x(at) + 3, floor + 22, "kill -9", "kill-name"));
  }
  const taken = rows.map(() => []);
  const label = (lane, at, content, className) => {
    const row = Math.max(0, rows.indexOf(lane));
    const size = widthOf(content) + 6;
    const start = Math.max(left, Math.min(Math.max(x(at), left), width - RIGHT - size + 6));
    for (const [level, dy] of [-9, 17].entries()) {
      const crowded = taken[row].some((one) => one.level === level && start < one.to && start + size > one.from);
      if (!crowded) {
        taken[row].push({ level, from: start, to: start + size });
        svg.append(text(start, TOP + row * ROW + dy, content, `label ${className}`));
        return;
      }
    }
  };
  const drawing = { svg, run, clock, x, y, label };
  if (run.style === "orchestration") conducted(drawing);
  else reacting(drawing);
  if (clock.running) svg.append(shape("line", { class: "now", x1: x(clock.now), x2: x(clock.now), y1: 6, y2: floor + 12 }));
}

function serviceOf(step) {
  return step.split(".")[0];
}

function verbOf(step) {
  return step.split(".")[1] ?? step;
}

function bar({ svg, x, y }, lane, from, to, className, title) {
  const wide = Math.max(3, x(to) - x(from));
  svg.append(shape("rect", { class: `bar ${className}`, x: x(from), y: y(lane) - 6, width: wide, height: 12, rx: 3 }, shape("title", {}, title)));
}

// Attempts that failed, and the waits between them.
function failedAttempts(drawing, one, from) {
  const { svg, clock, x, y, label } = drawing;
  const lane = serviceOf(one.step);
  const to = Math.max(from, one.until ?? clock.now);
  const what = `${verbOf(one.step)} failed ${one.count === 1 ? "once" : `${one.count} times`}`;
  const then = one.gave_up ? ", given up" : one.until ? "" : ", retrying";
  bar(drawing, lane, from, to, one.until ? "failed" : "failed running", `${what}${then}: ${one.error}`);
  const here = x(drawing.run.style === "choreography" ? from : to); // on events, when it first failed; else until when it did
  svg.append(shape("path", { class: "cross", d: `M${here - 4} ${y(lane) - 4}l8 8m0 -8l-8 8` }, shape("title", {}, `${what}: ${one.error}`)));
  label(lane, from, `${what}${then}`, "trouble");
}

// The workflow asks a service, and gets its answer: a bar from the one to the other.
function conducted(drawing) {
  const { svg, run, clock, x, y, label } = drawing;
  const until = run.order.ended ?? clock.now;
  svg.append(shape("line", { class: "head-lane", x1: x(clock.began), x2: x(until), y1: y("workflow"), y2: y("workflow") }));
  const wire = (at, lane, kind) => svg.append(shape("line", { class: `wire ${kind}`, x1: x(at), x2: x(at), y1: y("workflow"), y2: y(lane) }));
  const failures = [...run.failed];
  let before = clock.began; // both were placed then; the workflow publishes nothing before its first step is done
  let beforeTogether = before;
  let screened = false;
  const gaveUp = (at) => {
    while (failures.length && failures[0].gave_up && failures[0].until <= at) {
      const one = failures.shift();
      wire(one.since, serviceOf(one.step), "refused");
      wire(one.until, serviceOf(one.step), "refused");
      failedAttempts(drawing, one, one.since);
      before = Math.max(before, one.until);
    }
  };
  for (const event of run.events) {
    if (!SERVICES.includes(event.source) || !event.step) continue;
    gaveUp(event.at);
    before = Math.max(before, ...run.resolved.map((one) => one.at).filter((at) => at < event.at));
    const isDecision = event.source === "fraud" && screened;
    if (event.source === "fraud") screened = true;
    if (isDecision) {
      waiting(drawing, before, event.at, "held, then decided");
      before = event.at;
    }
    const asked = TOGETHER.has(event.step) && !isDecision ? beforeTogether : before;
    const index = failures.findIndex((one) => one.step === event.step && !one.gave_up);
    let since = asked;
    let answered = event.at;
    wire(asked, event.source, event.kind);
    if (index >= 0) {
      const [one] = failures.splice(index, 1);
      // An event before the last attempt is of an attempt whose reply was lost: the workflow learned of it later.
      answered = Math.max(event.at, one.until ?? clock.now);
      since = one.until && one.until < event.at ? one.until : event.at;
      failedAttempts(drawing, one, asked);
      wire(answered, event.source, event.kind);
    }
    wire(event.at, event.source, event.kind);
    if (since < event.at || index < 0) bar(drawing, event.source, since, event.at, event.kind, event.step);
    svg.append(shape("circle", { class: `event ${event.kind}`, cx: x(event.at), cy: y(event.source), r: 5.5 }, shape("title", {}, event.type)));
    const name = event.type === "OrderFlagged" ? flagged(event) : isDecision ? "decision" : verbOf(event.step);
    if (index < 0) label(event.source, since, name, event.kind);
    if (!TOGETHER.has(event.step)) beforeTogether = answered;
    before = Math.max(before, answered);
  }
  gaveUp(Infinity);
  for (const one of failures) failedAttempts(drawing, one, Math.max(one.since, before > one.since ? one.since : before));
  const seen = new Set([...run.events.map((event) => event.step), ...failures.map((one) => one.step)]);
  for (const step of run.order.steps ?? []) {
    if (step.state !== "running" || run.order.ended || seen.has(step.step)) continue;
    const since = TOGETHER.has(step.step) ? beforeTogether : before;
    bar(drawing, serviceOf(step.step), since, clock.now, "running", step.step);
    wire(since, serviceOf(step.step), "");
    label(serviceOf(step.step), since, `${verbOf(step.step)} …`, "");
  }
  resolutions(drawing);
  if (run.order.stage === "review") waiting(drawing, before, clock.now, "a person must decide");
  if (run.order.stage === "attention") waiting(drawing, Math.max(before, ...run.resolved.map((one) => one.at)), clock.now, "waits for an operator");
  if (run.order.ended) label("workflow", run.order.ended, run.order.status, run.order.status === "completed" ? "" : "refused");
}

function waiting(drawing, from, to, content) {
  bar(drawing, OPERATORS, from, to, "waiting", content);
  drawing.label(OPERATORS, from, content, "");
}

function resolutions({ svg, run, x, y, label }) {
  for (const one of run.resolved) {
    svg.append(shape("line", { class: "wire", x1: x(one.at), x2: x(one.at), y1: y(OPERATORS), y2: y("workflow") }));
    svg.append(shape("circle", { class: "event word", cx: x(one.at), cy: y(OPERATORS), r: 5.5 }, shape("title", {}, one.note)));
    label(OPERATORS, one.at, inWords(one), "");
  }
}

export function inWords(resolution) {
  const verb = verbOf(resolution.step);
  if (resolution.decision === "retry") return `${verb} again`;
  return resolution.decision === "resolved" ? `${verb} settled by hand`.trim() : resolution.decision;
}

function flagged(event) {
  return event.data.problem ? "flag" : "flag lifted";
}

// An event leaves a service, and is what another reacts to: a curve from the one to the other.
function reacting(drawing) {
  const { svg, run, clock, x, y, label } = drawing;
  const byId = new Map(run.events.map((event) => [event.id, event]));
  for (const event of run.events) {
    const cause = byId.get(event.cause);
    if (!cause) continue;
    const [x0, y0, x1, y1] = [x(cause.at), y(laneOf(cause)), x(event.at), y(laneOf(event))];
    const bend = Math.max(10, Math.abs(x1 - x0) * 0.55);
    const d = y0 === y1 ? `M${x0} ${y0}Q${(x0 + x1) / 2} ${y0 - 22} ${x1} ${y1}` : `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`;
    svg.append(shape("path", { class: `wire ${event.kind}`, d }));
  }
  for (const one of run.failed) failedAttempts(drawing, one, Math.max(one.since, clock.began));
  for (const event of run.events) {
    svg.append(shape("circle", { class: `event ${event.kind}`, cx: x(event.at), cy: y(laneOf(event)), r: 5.5 }, shape("title", {}, `${event.type}, ${moment(event.at - clock.began)}`)));
    label(laneOf(event), event.at, nameOf(event), event.kind);
  }
  if (run.order.stage === "review") waiting(drawing, run.events.at(-1)?.at ?? clock.began, clock.now, "a person must decide");
  if (run.order.stage === "attention") waiting(drawing, run.events.findLast((event) => FOR_OPERATORS.has(event.type))?.at ?? clock.began, clock.now, "waits for an operator");
}

function laneOf(event) {
  if (SERVICES.includes(event.source)) return event.source;
  if (FOR_OPERATORS.has(event.type) || event.source === "operator") return OPERATORS;
  const about = event.source.split("/").at(-1); // the choreography of a service
  return SERVICES.includes(about) ? about : "customer";
}

function nameOf(event) {
  if (event.type === "OrderFlagged") return event.data.problem ? "OrderFlagged" : "OrderFlagged: lifted";
  if (event.type === "AttentionSettled") return event.data.note ? "settled by hand" : "tried again";
  return event.source === "operator" ? `${event.type}, by hand` : event.type;
}
