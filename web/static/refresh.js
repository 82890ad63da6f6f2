// Replaces a part of the page by what the server renders, and keeps what somebody has opened, chosen and typed there.

export async function refresh(region, address) {
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  const text = await answer.text();
  const open = new Set([...region.querySelectorAll("details[open] > summary")].map((one) => one.firstChild.textContent));
  const typed = new Map(fields(region).map((one) => [nameOf(one), one.value]));
  const checked = new Set([...region.querySelectorAll(":checked")].map(nameOf));
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const selection = focused?.matches("input[type=text], input:not([type]), textarea") ? [focused.selectionStart, focused.selectionEnd] : null;
  region.innerHTML = text;
  for (const one of region.querySelectorAll("details > summary")) one.parentElement.open = open.has(one.firstChild.textContent) || one.parentElement.open;
  for (const one of fields(region)) if (typed.has(nameOf(one))) one.value = typed.get(nameOf(one));
  for (const one of region.querySelectorAll("input[type=checkbox], input[type=radio]")) one.checked = checked.has(nameOf(one));
  if (!focused) return;
  const again = [...region.querySelectorAll("input, button, a, summary")].find((one) => nameOf(one) === nameOf(focused));
  again?.focus({ preventScroll: true });
  if (again && selection) again.setSelectionRange(...selection);
}

function fields(region) {
  return [...region.querySelectorAll("input:not([type=hidden], [type=checkbox], [type=radio]), textarea, select")];
}

function nameOf(element) {
  const isChoice = element.matches("input[type=checkbox], input[type=radio], button");
  return [element.tagName, element.name, isChoice ? element.value : "", element.getAttribute("href") ?? "", element.name ? "" : element.textContent].join("|");
}
