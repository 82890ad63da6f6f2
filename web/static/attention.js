// Looks again every few seconds, but not while somebody chooses or writes.

const region = document.getElementById("entries");
const EVERY = 4000;

async function look() {
  const busy = document.querySelector("#attention :checked") || [...document.querySelectorAll("#attention input[name=note]")].some((one) => one.value || one === document.activeElement);
  if (!busy && !document.hidden) {
    try {
      const answer = await fetch("/attention?part=live", { headers: { accept: "text/html" } });
      if (answer.ok) {
        const text = await answer.text();
        if (!region.contains(document.activeElement)) region.innerHTML = text;
      }
    } catch {
      // away for a moment; the next look finds it again
    }
  }
  setTimeout(look, EVERY);
}

setTimeout(look, EVERY);
