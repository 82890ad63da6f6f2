// The time axis: linear, except that long idle times are cut out, each with a visible break.

const IDLE = 6000; // milliseconds without news, from which on time is cut out
const BREAK_SHARE = 0.1; // of the busy time, is what a break takes on the axis
const SHORTEST = 400;

// A clock without breaks keeps its scale in steps while it runs, so that the drawing does not creep.
export function makeClock(moments, began, end, running) {
  const times = [...new Set([began, ...moments.filter((at) => at >= began && at <= end), end])].sort((a, b) => a - b);
  const gaps = times.slice(1).map((to, index) => ({ from: times[index], to }));
  const busy = gaps.reduce((sum, gap) => sum + (gap.to - gap.from > IDLE ? 0 : gap.to - gap.from), 0);
  const cut = Math.max(SHORTEST, busy) * BREAK_SHARE;
  const parts = [];
  let at = 0;
  for (const gap of gaps) {
    const isBreak = gap.to - gap.from > IDLE;
    const size = isBreak ? cut : gap.to - gap.from;
    const last = parts.at(-1);
    if (last && !last.isBreak && !isBreak) Object.assign(last, { to: gap.to, size: last.size + size });
    else parts.push({ from: gap.from, to: gap.to, at, size, isBreak });
    at += size;
  }
  let span = SHORTEST;
  if (running) while (span < at) span *= 1.25;
  else span = Math.max(SHORTEST, at * 1.12);
  return { began, end, parts, span, running };
}

// The share of the axis, from 0 to 1, at a time.
export function share(clock, time) {
  const { parts, span } = clock;
  if (!parts.length || time <= clock.began) return 0;
  const part = parts.find((one) => time <= one.to);
  const last = parts.at(-1);
  const at = part ? part.at + ((time - part.from) / (part.to - part.from)) * part.size : last.at + last.size + (time - last.to);
  return Math.min(1, at / span);
}

export function breaks(clock) {
  return clock.parts.filter((one) => one.isBreak);
}

// Round times, in milliseconds since the beginning, outside the breaks.
export function ticks(clock) {
  const step = [50, 100, 250, 500, 1000, 2000, 5000, 10000].find((one) => clock.span / one <= 9) ?? 20000;
  const found = [];
  for (const part of clock.parts.filter((one) => !one.isBreak)) {
    for (let at = Math.ceil((part.from - clock.began) / step) * step; at <= part.to - clock.began; at += step) found.push(at);
  }
  const last = clock.parts.at(-1);
  if (last && !last.isBreak) {
    const until = last.to + (clock.span - last.at - last.size);
    for (let at = (Math.floor((last.to - clock.began) / step) + 1) * step; at <= until - clock.began; at += step) found.push(at);
  }
  return found;
}

// The time that a replay has reached: breaks pass as quickly as they look.
export function timeAt(clock, elapsed) {
  const part = clock.parts.find((one) => elapsed <= one.at + one.size);
  return part ? part.from + ((elapsed - part.at) / (part.size || 1)) * (part.to - part.from) : Infinity;
}
