// Keeps an order's page up to date: the server renders it again whenever there is news.

import { follow } from "./stream.js";

const region = document.getElementById("order");
const PAUSE = 150;
let waiting = null;
let first = true;

function stale() {
  if (waiting === null) waiting = setTimeout(refresh, PAUSE);
}

async function refresh() {
  waiting = null;
  if (region.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) {
    waiting = setTimeout(refresh, 1000); // not under somebody's fingers
    return;
  }
  try {
    const answer = await fetch(`${location.pathname}?part=live`, { headers: { accept: "text/html" } });
    if (answer.ok) {
      const open = [...region.querySelectorAll("details[open] > summary")].map((one) => one.firstChild.textContent);
      region.innerHTML = await answer.text();
      for (const one of region.querySelectorAll("details > summary")) one.parentElement.open = open.includes(one.firstChild.textContent);
    }
  } catch {
    waiting = setTimeout(refresh, 1000);
  }
}

follow(region.dataset.order, Number(region.dataset.last), {
  event: stale,
  order: () => {
    if (!first) stale(); // the first is what the page shows already
    first = false;
  },
  reset: stale,
  away: (gone) => document.body.classList.toggle("away", gone),
});
