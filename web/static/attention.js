// The list follows what happens: soon after something was asked for, else every few seconds.

import { refresh } from "./refresh.js";

const region = document.getElementById("entries");
const SOON = 700;
const LATER = 4000;

async function look() {
  try {
    if (!document.hidden) await refresh(region, "/attention?part=live");
  } catch {
    // away for a moment; the next look finds it again
  }
  wait();
}

function wait() {
  setTimeout(look, region.querySelector("[data-expecting]") ? SOON : LATER);
}

wait();
