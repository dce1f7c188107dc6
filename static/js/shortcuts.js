// Keyboard shortcuts. Single letters work outside form fields only, and none of them submits anything.

const MARKETS_PATH = "/market/";
const CHORD_TIMEOUT_MS = 1_000; // between `g` and the second letter
const GO_TO_PATHS = { m: MARKETS_PATH, b: "/bots/", o: "/orders/", w: "/wallets/" };
let chordStartedAt = 0;

export function start() {
  document.addEventListener("keydown", onKeydown);
  const button = document.getElementById("keys-open");
  if (button) button.addEventListener("click", showHelp);
}

const isInField = (element) => Boolean(element.closest("input, select, textarea, [contenteditable]"));

function onKeydown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape" && isInField(event.target)) event.target.blur();
  if (event.key === "ArrowDown" || event.key === "ArrowUp") focusNextRow(event);
  if (isInField(event.target) || document.querySelector("dialog[open]")) return;
  onCharacter(event);
}

function onCharacter(event) {
  if (chordStartedAt && performance.now() - chordStartedAt < CHORD_TIMEOUT_MS && GO_TO_PATHS[event.key]) {
    location.assign(GO_TO_PATHS[event.key]);
    return;
  }
  chordStartedAt = event.key === "g" ? performance.now() : 0;
  if (event.key === "/") focusSearch(event);
  else if (event.key === "?") showHelp();
  else if (event.key >= "1" && event.key <= "6") pickInterval(Number(event.key) - 1);
}

function focusSearch(event) {
  event.preventDefault();
  const field = document.getElementById("find");
  if (field) field.focus();
  else location.assign(`${MARKETS_PATH}#find`);
}

function showHelp() {
  const dialog = document.getElementById("keys");
  if (dialog && !dialog.open) dialog.showModal();
}

function pickInterval(index) {
  const link = document.querySelectorAll("#intervals a")[index];
  if (link) link.click();
}

/** Focuses the next visible row of the markets table; from the search field, the first. */
function focusNextRow(event) {
  const isDown = event.key === "ArrowDown";
  const rows = [...document.querySelectorAll("#board tbody tr:not([hidden])")];
  const current = rows.indexOf(event.target.closest("tr"));
  const fromSearch = event.target.id === "find" && isDown;
  if (current < 0 && !fromSearch) return;
  const next = rows[fromSearch ? 0 : current + (isDown ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.querySelector("th a").focus();
}
