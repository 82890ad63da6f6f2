// The same order in both styles: two streams, one clock.

import { drawBooks, spans, total } from "./books.js";
import { seconds } from "./draw.js";
import { drawLanes } from "./lanes.js";
import { follow } from "./stream.js";

const page = document.getElementById("run");
const SHORTEST = 400;

class Run {
  constructor(style, orderId) {
    this.style = style;
    this.orderId = orderId;
    this.panel = document.getElementById(style);
    this.byPosition = new Map();
    this.order = {};
    this.attempts = new Map();
    this.began = Infinity;
  }

  get events() {
    return [...this.byPosition.values()].sort((a, b) => a.at - b.at || a.position - b.position);
  }

  get rests() {
    return Boolean(this.order.ended) || this.order.stage === "attention";
  }

  retrying(step) {
    return (this.order.retrying ?? []).find((one) => one.step === step);
  }

  received(event) {
    this.byPosition.set(event.position, event);
    this.began = Math.min(this.began, event.at);
  }

  stands(order) {
    this.order = order;
    for (const one of order.retrying ?? []) {
      const most = this.attempts.get(one.step);
      if (!most || most.attempt < one.attempt) this.attempts.set(one.step, one);
    }
  }
}

const runs = ["orchestration", "choreography"].map((style) => new Run(style, page.dataset[style]));
let ahead = null; // of the browser's clock, the server's, in milliseconds
let replayed = null; // when the replay began, by the browser's clock

for (const run of runs) {
  follow(run.orderId, 0, {
    event: (event) => run.received(event),
    order: (order) => {
      ahead = order.now - Date.now();
      run.stands(order);
    },
    reset: () => run.byPosition.clear(),
    away: (gone) => run.panel.classList.toggle("away", gone),
  });
}

function now() {
  return Date.now() + (ahead ?? 0);
}

function clockOf(shown) {
  const began = Math.min(...runs.map((run) => run.began));
  if (!Number.isFinite(began)) return null;
  const lasts = runs.map((run) => run.order.ended ?? Math.max(run.began, ...run.events.map((event) => event.at)));
  const rest = runs.every((run) => run.rests);
  const end = rest ? Math.max(...lasts) : now();
  const at = shown ?? end;
  // The scale grows in steps, so that it does not creep; at the end it is as long as it took.
  let span = SHORTEST;
  while (span < end - began) span *= 1.25;
  if (rest) span = Math.max(SHORTEST, (end - began) * 1.12);
  return { began, span, now: Math.min(at, end), end, running: !rest || shown !== undefined, rest };
}

// A run as it was at a moment of a replay.
function asOf(run, moment) {
  const at = (one) => one.at <= moment;
  const ended = run.order.ended && run.order.ended <= moment ? run.order.ended : null;
  const order = { ...run.order, books: (run.order.books ?? []).filter(at), ended, retrying: [], steps: [], stage: "" };
  if (!ended) order.status = "in-progress";
  return { style: run.style, began: run.began, order, events: run.events.filter(at) };
}

function draw() {
  let clock = clockOf();
  if (clock) {
    let shown = runs;
    if (replayed !== null) {
      const moment = clock.began + (Date.now() - replayed);
      if (moment > clock.end) replayed = null;
      else {
        clock = clockOf(moment);
        shown = runs.map((run) => asOf(run, moment));
      }
    }
    document.getElementById("clock").textContent = seconds(clock.now - clock.began, 1);
    shown.forEach((run, index) => drawLanes(runs[index].panel.querySelector("svg"), run, clock));
    drawBooks(document.getElementById("books"), shown, clock);
    words(clock);
    summary(clock);
  }
  setTimeout(() => requestAnimationFrame(draw), clock?.running === false ? 250 : 80);
}

function words(clock) {
  for (const run of runs) {
    const status = run.panel.querySelector("[data-status]");
    const stage = run.order.stage;
    set(status, stage && stage !== "ended" && run.order.status === "in-progress" ? stage : (run.order.status ?? "placed"));
    status.className = `pill ${run.order.status ?? ""}`;
    set(run.panel.querySelector("[data-reason]"), run.order.trouble || [run.order.reason, ...(run.order.problems ?? [])].filter(Boolean).join(" · "));
    const list = run.panel.querySelector("[data-told]");
    const lines = run.events.map((event) => {
      const cause = run.events.find((one) => one.id === event.cause);
      const why = run.style === "choreography" ? (cause ? `, because of ${cause.type}` : "") : event.step ? `, as the workflow asked: ${event.step}` : "";
      const detail = event.data.note || event.data.reason || event.data.tracking_number || "";
      return [seconds(event.at - clock.began, 3), ` ${event.source}: ${event.type}${why}${detail ? ` (${detail})` : ""}`];
    });
    if (list.childElementCount !== lines.length) {
      list.replaceChildren(
        ...lines.map(([when, what]) => {
          const item = document.createElement("li");
          const time = document.createElement("span");
          time.className = "when";
          time.textContent = when;
          item.append(time, what);
          return item;
        }),
      );
    }
  }
  document.getElementById("review").hidden = !runs.some((run) => run.order.stage === "review");
}

function set(element, content) {
  if (element.textContent !== content) element.textContent = content;
}

let summarized = "";

function summary(clock) {
  document.getElementById("summary").hidden = !clock.rest;
  document.getElementById("replay").hidden = !clock.rest;
  const key = JSON.stringify(runs.map((run) => [run.order, run.byPosition.size]));
  if (!clock.rest || key === summarized) return;
  summarized = key;
  const still = { ...clock, running: false };
  const rows = [
    ["Ended as", (run) => run.order.status],
    ["From placing to the end", (run) => seconds((run.order.ended ?? clock.end) - clock.began)],
    ["Undone", (run) => undone(run)],
    ["Charged", (run) => last(run, "charged") || "nothing"],
    ["Refunded", (run) => last(run, "refunded") || "nothing"],
    ["Stock was held for", (run) => span(spans(run, still).stock, run)],
    ["Books disagreed for", (run) => seconds(total(spans(run, still).apart))],
    ["Attempts that failed", (run) => failed(run)],
    ["Who decided what is next", (run) => deciders(run)],
    ["Events on the bus", (run) => String(run.byPosition.size)],
  ];
  const body = document.querySelector("#summary tbody");
  body.replaceChildren(
    ...rows.map(([name, value]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      row.append(head, ...runs.map((run) => Object.assign(document.createElement("td"), { textContent: value(run) })));
      return row;
    }),
  );
}

function last(run, book) {
  return (run.order.books ?? []).map((one) => one[book]).filter(Boolean).at(-1);
}

function span(list, run) {
  if (!list.length) return "never";
  return run.order.status === "completed" ? "taken, for good" : seconds(total(list));
}

// What one event caused is undone at once; what the workflow undoes, one after the other.
function undone(run) {
  const groups = new Map();
  for (const event of run.events) {
    if (event.kind !== "undone" || event.data.had_effect === false) continue;
    groups.set(event.cause, [...(groups.get(event.cause) ?? []), event.step.split(".")[1]]);
  }
  return [...groups.values()].map((names) => names.join(" and at once ")).join(", then ") || "nothing";
}

function failed(run) {
  const found = [...run.attempts.values()].map((one) => `${Math.max(1, one.attempt - 1)} of ${one.step}`);
  return found.join(", ") || "none seen";
}

function deciders(run) {
  if (run.style === "orchestration") return "the workflow alone";
  const reacting = new Set(run.events.filter((event) => event.step).map((event) => event.source));
  return `${reacting.size} services, each for itself`;
}

document.getElementById("replay").addEventListener("click", () => {
  replayed = Date.now();
});

draw();
