// What the two orders have shown, and why they differ: figures and sentences, derived from what happened.

import { spans, total } from "./books.js";
import { duration, moment } from "./draw.js";
import { inWords } from "./lanes.js";

const TIMED_OUT = "did not answer in time";

export function figures(runs, clock) {
  const rows = [
    ["Outcome", (run) => (run.order.ended ? run.order.status : `${run.order.status}: waits for an operator`)],
    ["From placing to the end", (run) => (run.order.ended ? moment(run.order.ended - clock.began) : `not ended, ${duration(clock.now - clock.began)} so far`)],
    ["Undone", undone],
    ["Decided by operators", settled],
    ["Charged", (run) => last(run, "charged") || "nothing"],
    ["Refunded", (run) => last(run, "refunded") || "nothing"],
    ["Stock was held for", (run) => stockHeld(run, clock)],
    ["Books disagreed for", (run) => disagreed(run, clock)],
    ["Attempts that failed", failed],
    ["Who decided what is next", deciders],
    ["Events on the bus", (run) => String(run.byPosition.size)],
  ];
  return rows.map(([name, value]) => [name, ...runs.map(value)]);
}

export function differences(runs, clock) {
  const [left, right] = runs;
  const found = [];
  const stuck = runs.filter((run) => run.failed.some((one) => one.gave_up) || run.resolved.length);
  if (stuck.length) found.push("An undo that cannot be done waits for an operator, in either style; the undos that do not depend on it are done meanwhile. The workflow waits inside its own history; on events, the dead letter of the service is what waits.");
  if (!stuck.length && undone(left) !== "nothing" && undone(right) !== "nothing") {
    const atOnce = undone(right).includes(" and at once ");
    const held = `; so the stock was held for ${stockHeld(left, clock)} on the left, and for ${stockHeld(right, clock)} on the right`;
    found.push(
      `The workflow undid newest first (${undone(left)}), each undo after the previous one. On events, ` +
        (atOnce ? `services that react to the same event do not wait for each other (${undone(right)})${held}.` : `each service undid its own step when the event came that it waits for (${undone(right)}).`),
    );
  }
  const retried = runs.map((run) => run.failed.filter((one) => !one.gave_up));
  if (clock.kills.length) {
    const timedOut = left.failed.find((one) => one.error.includes(TIMED_OUT));
    found.push(
      `The worker of both styles was killed ${clock.kills.length === 1 ? "once" : `${clock.kills.length} times`}. ` +
        (timedOut ? `Temporal learned of the lost attempt only by its time-out: ${moment((timedOut.until ?? clock.now) - timedOut.since)} passed until the next one. ` : "") +
        "A consumer has no attempt that could time out: after the restart it reads on at its offset.",
    );
  } else if (retried.every((list) => list.length)) {
    found.push(
      "After an attempt without an answer, nobody knows whether it had its effect. On the left Temporal retried the step, and the workflow waited for it; on the right the consumer " +
        "of the service retried the event, while what its published events led to went on. The idempotency key was the same for all attempts, so that each had one effect.",
    );
  }
  if ((last(left, "charged") || "") !== (last(right, "charged") || "")) {
    found.push(`Charged: ${last(left, "charged") || "nothing"} on the left, ${last(right, "charged") || "nothing"} on the right. The workflow holds everything while it waits; on events, only a service that needs the missing event waits.`);
  }
  if (!found.length) found.push("The steps and the effects are the same. On the left the workflow decided each next step; on the right each service did, by the events that it waits for.");
  return found;
}

function last(run, book) {
  return (run.order.books ?? []).map((one) => one[book]).filter(Boolean).at(-1);
}

function stockHeld(run, clock) {
  const { stock } = spans(run, clock);
  if (!stock.length) return "never";
  return run.order.status === "completed" ? "taken, for good" : moment(total(stock));
}

function disagreed(run, clock) {
  const agreeNow = (run.order.books ?? []).at(-1)?.agree ?? true;
  return moment(total(spans(run, clock).apart)) + (agreeNow ? "" : run.order.ended ? ", and still do" : " so far");
}

// What one event caused is undone at once, unless an operator had to decide meanwhile; what the workflow undoes, one after the other.
function undone(run) {
  const groups = [];
  for (const event of run.events) {
    if (event.kind !== "undone" || event.data.had_effect === false) continue;
    const decided = (group) => run.resolved.some((one) => one.at > group.at && one.at < event.at);
    const group = groups.find((one) => one.cause === event.cause && !decided(one));
    const name = event.step.split(".")[1];
    if (group) group.names.push(name);
    else groups.push({ cause: event.cause, at: event.at, names: [name] });
  }
  return groups.map(({ names }) => names.join(" and at once ")).join(", then ") || "nothing";
}

function settled(run) {
  return run.resolved.map((one) => `${inWords(one)}${one.note ? `: ${one.note}` : ""}${one.actor ? ` (${one.actor})` : ""}`).join("; ") || "nothing";
}

function failed(run) {
  return run.failed.map((one) => `${one.count} of ${one.step}`).join(", ") || "none";
}

function deciders(run) {
  if (run.style === "orchestration") return "the workflow alone";
  const reacting = new Set(run.events.filter((event) => event.step && event.source !== "operator").map((event) => event.source));
  return `${reacting.size} services, each for itself`;
}
