// Markets table: sorts and filters the rows in place. Without scripts the server does both by query string.

const SORT_FIELDS = { last: "last", change: "change24h", volume: "volume24h", mark: "mark", spread: "spread_bp" };
const UNITS = { K: 1e3, M: 1e6, B: 1e9, T: 1e12 };
const NUMBER = /^([+\u2212]?)([\d,]+(?:\.\d+)?)([KMBT]?)%?$/;

export function start() {
  const table = document.getElementById("board");
  const form = document.getElementById("board-filter");
  if (location.hash === "#find" && form) form.q.focus();
  if (!table || !table.dataset.complete) return; // only the server has all rows
  table.tHead.addEventListener("click", (event) => {
    const link = event.target.closest("th[data-sort] a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    sortBy(table, link.closest("th"));
  });
  form.q.addEventListener("input", () => filter(table, form.q.value));
  form.addEventListener("submit", (event) => event.preventDefault());
  if (form.q.value) filter(table, form.q.value);
}

function parseNumber(text) {
  const match = NUMBER.exec(text.trim());
  if (!match) return null;
  const value = Number(match[2].replaceAll(",", "")) * (UNITS[match[3]] || 1);
  return match[1] === "\u2212" ? -value : value;
}

function sortKey(row, column) {
  if (column === "name") return row.dataset.name.toLowerCase();
  if (column === "venue") return row.dataset.venueTitle.toLowerCase();
  return parseNumber(row.querySelector(`[data-field="${SORT_FIELDS[column]}"]`).textContent);
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortBy(table, header) {
  const column = header.dataset.sort;
  const current = header.getAttribute("aria-sort");
  const descending = current ? current === "ascending" : column !== "name" && column !== "venue";
  const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row, column), row]);
  const sorted = rows.filter(([key]) => key !== null);
  sorted.sort(([a], [b]) => (descending ? compare(b, a) : compare(a, b)));
  const withoutValue = rows.filter(([key]) => key === null);
  table.tBodies[0].append(...[...sorted, ...withoutValue].map(([, row]) => row));
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  setQuery("sort", (descending ? "-" : "") + column);
}

function filter(table, text) {
  const words = text.toLowerCase().split(/[\s/]+/).filter(Boolean);
  let count = 0;
  for (const row of table.tBodies[0].rows) {
    const name = row.dataset.name.toLowerCase();
    row.hidden = !words.every((word) => name.includes(word));
    count += row.hidden ? 0 : 1;
  }
  document.getElementById("board-none").hidden = count > 0;
  table.hidden = count === 0;
  document.getElementById("board-shown").textContent = String(count);
  setQuery("q", text.trim());
}

function setQuery(name, value) {
  const url = new URL(location.href);
  if (value) url.searchParams.set(name, value);
  else url.searchParams.delete(name);
  history.replaceState(null, "", url);
}
