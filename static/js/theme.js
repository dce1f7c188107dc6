// Theme: dark, light or system. It is kept in a cookie, so that the server renders it and the page does not flash.

const THEMES = ["dark", "light", "system"];
const COOKIE_MAX_AGE = 365 * 24 * 3600; // seconds

export function start() {
  const button = document.getElementById("theme-switch");
  if (button) button.addEventListener("click", () => switchTheme(button));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dispatchChange);
}

function switchTheme(button) {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
  root.dataset.theme = next;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `theme=${next}; path=/; max-age=${COOKIE_MAX_AGE}; samesite=lax${secure}`;
  button.setAttribute("aria-label", `Theme: ${next}. Change it`);
  button.title = `Theme: ${next}`;
  dispatchChange();
}

function dispatchChange() {
  document.dispatchEvent(new CustomEvent("themechange"));
}
