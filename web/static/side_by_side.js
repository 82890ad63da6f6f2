// The same order in both styles: two streams, one clock.

import { drawBooks } from "./books.js";
import { differences, figures } from "./differences.js";
import { moment } from "./draw.js";
import { drawLanes } from "./lanes.js";
import { makeClock, timeAt } from "./scale.js";
import { follow } from "./stream.js";

const page = document.getElementById("run");

class Run {
  constructor(style, orderId) {
    this.style = style;
    this.orderId = orderId;
    this.panel = document.getElementById(style);
    this.byPosition = new Map();
    this.order = {};
    this.began = Infinity;
  }

  get events() {
    return [...this.byPosition.values()].sort((a, b) => a.at - b.at || a.position - b.position);
  }

  get failed() {
    return this.order.failed ?? [];
  }

  get resolved() {
    return this.order.resolved ?? [];
  }

  get waits() {
    return this.order.stage === "attention";
  }

  get moments() {
    const failed = this.failed.flatMap((one) => [one.since, one.until]);
    return [...this.events.map((event) => event.at), ...failed, ...this.resolved.map((one) => one.at), this.order.ended].filter(Boolean);
  }

  received(event) {
    this.byPosition.set(event.position, event);
    this.began = Math.min(this.began, event.at);
  }
}

const runs = ["orchestration", "choreography"].map((style) => new Run(style, page.dataset[style]));
let ahead = null; // of the browser's clock, the server's, in milliseconds
let replayed = null; // when the replay began, by the browser's clock
let kills = [];

for (const run of runs) {
  follow(run.orderId, 0, {
    event: (event) => run.received(event),
    order: (order) => {
      ahead = order.now - Date.now();
      run.order = order;
      if (page.dataset.kills) lookForKills();
    },
    reset: () => run.byPosition.clear(),
    away: (gone) => (run.panel.querySelector("[data-away]").hidden = !gone),
  });
}

async function lookForKills() {
  try {
    const answer = await fetch(page.dataset.kills);
    if (answer.ok) kills = await answer.json();
  } catch {
    // the page is away for a moment; the next news asks again
  }
}

function now() {
  return Date.now() + (ahead ?? 0);
}

function clockOf() {
  const began = Math.min(...runs.map((run) => run.began));
  if (!Number.isFinite(began)) return null;
  const moments = [...runs.flatMap((run) => run.moments), ...kills];
  const rest = runs.every((run) => run.order.ended);
  const end = rest ? Math.max(...moments) : Math.max(now(), ...moments);
  const clock = makeClock(moments, began, end, !rest);
  const withOperators = runs.some((run) => run.waits || run.resolved.length || run.order.stage === "review" || run.events.some((event) => ["ReviewDecided", "PossibleFraud"].includes(event.type)));
  return Object.assign(clock, { now: end, rest, kills, withOperators });
}

// A run as it was at a moment of a replay.
function asOf(run, then) {
  const at = (one) => one.at <= then;
  const ended = run.order.ended && run.order.ended <= then ? run.order.ended : null;
  const order = { ...run.order, books: (run.order.books ?? []).filter(at), ended, steps: [], stage: "" };
  if (!ended) order.status = "in-progress";
  const failed = run.failed.filter((one) => one.since <= then).map((one) => (one.until > then ? { ...one, until: null, gave_up: false } : one));
  return { style: run.style, began: run.began, order, failed, resolved: run.resolved.filter(at), events: run.events.filter(at) };
}

function draw() {
  const clock = clockOf();
  if (clock) {
    let [shown, shownClock] = [runs, clock];
    if (replayed !== null) {
      const then = timeAt(clock, Date.now() - replayed);
      if (then >= clock.end) replayed = null;
      else {
        shownClock = { ...clock, now: then, running: true };
        shown = runs.map((run) => asOf(run, then));
      }
    }
    document.getElementById("clock").textContent = moment(shownClock.now - clock.began, 1);
    shown.forEach((run, index) => drawLanes(runs[index].panel.querySelector("svg"), run, shownClock));
    drawBooks(document.getElementById("books"), shown, shownClock);
    words(clock);
    summary(clock);
  }
  setTimeout(() => requestAnimationFrame(draw), clock?.rest && replayed === null ? 250 : 100);
}

function words(clock) {
  for (const run of runs) {
    const { stage, status, trouble, reason, problems, account } = run.order;
    const pill = run.panel.querySelector("[data-status]");
    set(pill, stage && stage !== "ended" && status === "in-progress" ? stage : (status ?? "placed"));
    pill.className = `pill ${status ?? ""}`;
    set(run.panel.querySelector("[data-reason]"), trouble || [reason, ...(problems ?? [])].filter(Boolean).join(" · "));
    fill(run.panel.querySelector("[data-account]"), account ?? [], (sentence) => element("li", sentence));
    const lines = run.events.map((event) => {
      const cause = run.events.find((one) => one.id === event.cause);
      const why = run.style === "choreography" ? (cause ? `, because of ${cause.type}` : "") : event.step ? `, as the workflow asked: ${event.step}` : "";
      const detail = event.data.note || event.data.problem || event.data.reason || event.data.tracking_number || "";
      return [moment(event.at - clock.began, 3), ` ${event.source}: ${event.type}${why}${detail ? ` (${detail})` : ""}`];
    });
    fill(run.panel.querySelector("[data-told]"), lines, ([when, what]) => {
      const time = element("span", when);
      time.className = "when";
      const item = element("li", what);
      item.prepend(time);
      return item;
    });
  }
  document.getElementById("review").hidden = !runs.some((run) => run.order.stage === "review");
}

function summary(clock) {
  const isWhole = runs.every((run) => run.order.ended || run.waits);
  document.getElementById("summary").hidden = !isWhole;
  document.getElementById("replay").hidden = !clock.rest;
  document.getElementById("waiting").hidden = !runs.some((run) => run.waits);
  if (!isWhole) return;
  fill(document.querySelector("#summary tbody"), figures(runs, clock), ([name, ...values]) => {
    const row = element("tr");
    const head = element("th", name);
    head.scope = "row";
    row.append(head, ...values.map((value) => element("td", value)));
    return row;
  });
  fill(document.getElementById("differences"), differences(runs, clock), (sentence) => element("p", sentence));
}

function element(name, content = "") {
  const made = document.createElement(name);
  made.textContent = content;
  return made;
}

function set(changed, content) {
  if (changed.textContent !== content) changed.textContent = content;
}

const filled = new Map();

// Only when it has changed, so that a selection and a screen reader keep their place.
function fill(parent, items, make) {
  const key = JSON.stringify(items);
  if (filled.get(parent) === key) return;
  filled.set(parent, key);
  parent.replaceChildren(...items.map(make));
}

document.getElementById("replay").addEventListener("click", () => {
  replayed = Date.now();
});

draw();
