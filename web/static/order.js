// Keeps an order's page up to date: the server renders it again whenever there is news.

import { refresh } from "./refresh.js";
import { follow } from "./stream.js";

const region = document.getElementById("order");
const PAUSE = 150;
let waiting = null;

function stale() {
  if (waiting === null) waiting = setTimeout(look, PAUSE);
}

async function look() {
  waiting = null;
  try {
    await refresh(region, `/orders/${encodeURIComponent(region.dataset.order)}?part=live`);
  } catch {
    waiting = setTimeout(look, 1000);
  }
}

follow(region.dataset.order, Number(region.dataset.last), {
  event: stale,
  order: stale, // also the first: it may be newer than the page
  reset: stale,
  away: (gone) => (document.getElementById("away").hidden = !gone),
});
