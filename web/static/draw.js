// Small helpers for drawing in SVG.

const NS = "http://www.w3.org/2000/svg";

export function shape(name, attributes, ...children) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function text(x, y, content, className, more = {}) {
  return shape("text", { x, y, class: className, ...more }, content);
}

export function canvas(svg, width, height) {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren();
}

const measuring = document.createElement("canvas").getContext("2d");

const widths = new Map();

export function widthOf(content, font = "12px system-ui") {
  const key = `${font}|${content}`;
  if (!widths.has(key)) {
    if (widths.size > 2000) widths.clear(); // a long run has ever new times
    measuring.font = font;
    widths.set(key, measuring.measureText(content).width);
  }
  return widths.get(key);
}

export function seconds(milliseconds, digits = 2) {
  return `${(milliseconds / 1000).toFixed(digits)} s`;
}

export function duration(milliseconds) {
  const whole = Math.round(milliseconds / 1000);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return whole < 172800 ? `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min` : `${Math.floor(whole / 86400)} days`;
}

// A time since the beginning: exact while it is short.
export function moment(milliseconds, digits = 2) {
  return milliseconds < 60000 ? seconds(milliseconds, digits) : duration(milliseconds);
}

// A gap in the axis, with how long it is.
export function brokenAxis(svg, x0, x1, top, bottom, content) {
  svg.append(shape("rect", { class: "break", x: x0, y: top, width: Math.max(2, x1 - x0), height: bottom - top }));
  const middle = (x0 + x1) / 2;
  svg.append(shape("path", { class: "break-mark", d: `M${middle - 6} ${bottom + 4}l5 -9M${middle + 1} ${bottom + 4}l5 -9` }));
  if (content) svg.append(text(middle, top - 3, content, "break-name", { "text-anchor": "middle" }));
}
