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

export function widthOf(content, font = "12px system-ui") {
  measuring.font = font;
  return measuring.measureText(content).width;
}

export function seconds(milliseconds, digits = 2) {
  return `${(milliseconds / 1000).toFixed(digits)} s`;
}
