// The theme: dark, light or as the system. A cookie, so that the server renders it and nothing flashes.

const THEMES = ["dark", "light", "system"];
const YEAR = 365 * 24 * 3600;

export function start() {
  const button = document.getElementById("theme-switch");
  if (button) button.addEventListener("click", () => choose(button));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
}

function choose(button) {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
  root.dataset.theme = next;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `theme=${next}; path=/; max-age=${YEAR}; samesite=lax${secure}`;
  button.setAttribute("aria-label", `Theme: ${next}. Change it`);
  button.title = `Theme: ${next}`;
  tell();
}

function tell() {
  document.dispatchEvent(new CustomEvent("theme"));
}
