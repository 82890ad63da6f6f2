// Follows a run of one act on many entries until it is over.

import { refresh } from "./refresh.js";

const region = document.getElementById("bulk");
const PAUSE = 400;

async function look() {
  try {
    await refresh(region, `${location.pathname}?part=live`);
  } catch {
    // away for a moment; the next look finds it again
  }
  wait();
}

function wait() {
  if (region.querySelector("[data-again]")) setTimeout(look, PAUSE);
}

wait();
