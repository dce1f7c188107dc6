// Sorting and filtering the board in place. The same by query string is the server's, without scripts.

const FIELDS = { last: "last", change: "change24h", volume: "volume24h", mark: "mark", spread: "spread_bp" };
const UNITS = { K: 1e3, M: 1e6, B: 1e9, T: 1e12 };
const FIGURE = /^([+\u2212]?)([\d,]+(?:\.\d+)?)([KMBT]?)%?$/;

export function start() {
  const board = document.getElementById("board");
  const form = document.getElementById("board-filter");
  if (location.hash === "#find" && form) form.q.focus();
  if (!board || !board.dataset.complete) return; // the server has rows that we have not
  board.tHead.addEventListener("click", (event) => {
    const link = event.target.closest("th[data-sort] a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    sortBy(board, link.closest("th"));
  });
  form.q.addEventListener("input", () => filter(board, form.q.value));
  form.addEventListener("submit", (event) => event.preventDefault());
  if (form.q.value) filter(board, form.q.value);
}

function figure(text) {
  const match = FIGURE.exec(text.trim());
  if (!match) return null;
  const value = Number(match[2].replaceAll(",", "")) * (UNITS[match[3]] || 1);
  return match[1] === "\u2212" ? -value : value;
}

function keyOf(row, name) {
  if (name === "name") return row.dataset.name.toLowerCase();
  if (name === "venue") return row.dataset.venueTitle.toLowerCase();
  return figure(row.querySelector(`[data-field="${FIELDS[name]}"]`).textContent);
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortBy(board, head) {
  const name = head.dataset.sort;
  const fallsFirst = name !== "name" && name !== "venue";
  const now = head.getAttribute("aria-sort");
  const falls = now ? now === "ascending" : fallsFirst;
  const rows = [...board.tBodies[0].rows].map((row) => [keyOf(row, name), row]);
  const known = rows.filter(([key]) => key !== null).sort((a, b) => (falls ? compare(b[0], a[0]) : compare(a[0], b[0])));
  const unknown = rows.filter(([key]) => key === null);
  board.tBodies[0].append(...[...known, ...unknown].map(([, row]) => row));
  for (const other of board.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falls ? "descending" : "ascending");
  remember("sort", (falls ? "-" : "") + name);
}

function filter(board, text) {
  const words = text.toLowerCase().split(/[\s/]+/).filter(Boolean);
  let shown = 0;
  for (const row of board.tBodies[0].rows) {
    const name = row.dataset.name.toLowerCase();
    row.hidden = !words.every((word) => name.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  document.getElementById("board-none").hidden = shown > 0;
  board.hidden = shown === 0;
  document.getElementById("board-shown").textContent = String(shown);
  remember("q", text.trim());
}

function remember(name, value) {
  const address = new URL(location.href);
  if (value) address.searchParams.set(name, value);
  else address.searchParams.delete(name);
  history.replaceState(null, "", address);
}
