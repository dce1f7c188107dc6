// Keys. Single letters work outside fields only, and none of them commits anything.

const BOARD = "/market/";
const CHORD = 1_000; // how long `g` waits for its letter
const PLACES = { m: BOARD, b: "/bots/", o: "/orders/", w: "/wallets/" };
let going = 0;

export function start() {
  document.addEventListener("keydown", pressed);
  const open = document.getElementById("keys-open");
  if (open) open.addEventListener("click", showKeys);
}

const inField = (element) => Boolean(element.closest("input, select, textarea, [contenteditable]"));

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape" && inField(event.target)) event.target.blur();
  if (event.key === "ArrowDown" || event.key === "ArrowUp") moveRow(event);
  if (inField(event.target) || document.querySelector("dialog[open]")) return;
  single(event);
}

function single(event) {
  if (going && performance.now() - going < CHORD && PLACES[event.key]) {
    location.assign(PLACES[event.key]);
    return;
  }
  going = event.key === "g" ? performance.now() : 0;
  if (event.key === "/") findInstrument(event);
  else if (event.key === "?") showKeys();
  else if (event.key >= "1" && event.key <= "6") pickInterval(Number(event.key) - 1);
}

function findInstrument(event) {
  event.preventDefault();
  const field = document.getElementById("find");
  if (field) field.focus();
  else location.assign(`${BOARD}#find`);
}

function showKeys() {
  const dialog = document.getElementById("keys");
  if (dialog && !dialog.open) dialog.showModal();
}

function pickInterval(index) {
  const link = document.querySelectorAll("#intervals a")[index];
  if (link) link.click();
}

/** From the focused row to the next one that is shown. From the filter field, to the first. */
function moveRow(event) {
  const down = event.key === "ArrowDown";
  const rows = [...document.querySelectorAll("#board tbody tr:not([hidden])")];
  const at = rows.indexOf(event.target.closest("tr"));
  const fromField = event.target.id === "find" && down;
  if (at < 0 && !fromField) return;
  const next = rows[fromField ? 0 : at + (down ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.querySelector("th a").focus();
}
