// The ticket and the account tables, beyond what htmx does: keys, ticks, the ladder's prices, what a preview means
// for the button. Figures are whole numbers of ticks (BigInt): no price passes through a float.

const FIGURE = /^\d*\.?\d*$/;

const byId = (id) => document.getElementById(id);
const ticketForm = () => document.querySelector("form#order-ticket");
const changed = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

export function start() {
  document.addEventListener("keydown", keyPressed);
  document.addEventListener("click", clicked);
  document.body.addEventListener("input", (event) => event.target.closest("#order-ticket") && reopened());
  document.body.addEventListener("htmx:beforeSwap", keepEdits);
  document.body.addEventListener("htmx:afterSwap", swapped);
  document.body.addEventListener("htmx:beforeRequest", busy);
  document.body.addEventListener("htmx:afterRequest", answered);
}

// --- what is typed -----------------------------------------------------------------------------------------
const plainOf = (text) => text.replace(/[\s,]/g, "");

/** `text` moved by `ticks` of 10 ** -decimals, never below zero; null when it is no figure. */
export function stepped(text, ticks, decimals) {
  const plain = plainOf(text);
  if (!plain || !FIGURE.test(plain)) return null;
  const [whole, fraction = ""] = plain.split(".");
  const units = BigInt((whole || "0") + fraction.padEnd(decimals, "0").slice(0, decimals)) + BigInt(ticks);
  const digits = (units < 0n ? 0n : units).toString().padStart(decimals + 1, "0");
  return decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits;
}

function keyPressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const { target } = event;
  if (target.matches('#order-ticket [name="price"], #order-ticket [name="trigger_price"]')) stepPrice(event);
  if (target.closest("input, select, textarea, [contenteditable]") || document.querySelector("dialog[open]")) return;
  if (event.key === "b" || event.key === "s") openTicket(event, event.key === "b" ? "buy" : "sell");
  else if (event.key === "x") cancelFocused(event);
}

function stepPrice(event) {
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  const ticks = (event.key === "ArrowUp" ? 1 : -1) * (event.shiftKey ? 10 : 1);
  const moved = stepped(event.target.value, ticks, Number(ticketForm().dataset.decimals));
  if (moved === null) return;
  event.preventDefault();
  event.target.value = moved;
  changed(event.target);
}

function openTicket(event, side) {
  const form = ticketForm();
  if (!form) return;
  event.preventDefault();
  pickSide(form, side);
  byId("ticket-size").focus();
}

function pickSide(form, side) {
  const pane = byId("pane-ticket");
  if (pane) pane.checked = true;
  const radio = form.querySelector(`[name="side"][value="${side}"]`);
  radio.checked = true;
  changed(radio);
}

function cancelFocused(event) {
  const row = event.target.closest("tr[data-order]");
  const button = row && row.querySelector("[data-cancels]");
  if (!button) return;
  event.preventDefault();
  button.click();
}

function clicked(event) {
  const { target } = event;
  const opens = target.closest("[data-opens]");
  if (opens && ticketForm()) pickSide(ticketForm(), opens.dataset.opens);
  if (target.closest('[data-act="mid"]')) fillPrice(document.querySelector('.ladder [data-part="mid"]'));
  const rung = target.closest(".ladder tbody tr");
  if (rung) fillPrice(rung.cells[0]);
  const copies = target.closest("[data-copies]");
  if (copies) copy(copies);
}

function fillPrice(source) {
  const field = byId("ticket-price");
  const price = source && plainOf(source.textContent).replace(/[^\d.]/g, "");
  if (!field || !price) return;
  field.value = price;
  changed(field);
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(byId(button.dataset.copies).textContent.trim());
    button.lastChild.textContent = " Copied";
  } catch (error) {
    button.lastChild.textContent = ` Select it by hand: ${error.name}`;
  }
}

// --- what the server said ------------------------------------------------------------------------------------
/** A judgement holds for what was typed then; until the next one the server's answer decides. */
function reopened() {
  const button = byId("ticket-submit");
  if (button && button.dataset.denied) {
    delete button.dataset.denied;
    button.disabled = false;
  }
}

function judged() {
  const verdict = byId("preview-verdict");
  const button = byId("ticket-submit");
  if (!verdict || !button) return;
  button.dataset.kind = document.querySelector('#order-ticket [name="side"]:checked')?.value ?? "buy";
  if (verdict.dataset.verdict === "denied") {
    button.dataset.denied = "true";
    button.disabled = true;
  } else {
    reopened();
  }
  const said = verdict.textContent.replace(/\s+/g, " ").trim();
  const announcer = byId("announcer");
  if (announcer.textContent !== said && verdict.dataset.verdict !== "open") announcer.textContent = said;
}

function swapped({ detail }) {
  if (detail.target.id === "order-preview") judged();
  else if (detail.target.id === "order-ticket") settled();
}

/** A refusal takes the focus to what is wrong; an order leaves it ready for the next. */
function settled() {
  const wrong = document.querySelector("#order-ticket [aria-invalid]") || byId("ticket-denied");
  if (wrong) wrong.focus();
  else if (byId("ticket-result")) byId("ticket-size").focus();
}

/** Tables read themselves again at any moment; a row that somebody is changing or has opened waits for them. */
function keepEdits(event) {
  const { target, requestConfig } = event.detail;
  const own = requestConfig && requestConfig.elt === target;
  if (own && target.querySelector("[data-editing], details[open]")) event.detail.shouldSwap = false;
}

const SLOW = 5_000;

function busy({ detail }) {
  const button = detail.elt.id === "order-ticket" ? byId("ticket-submit") : null;
  if (!button) return;
  byId("ticket-act").textContent = button.dataset.busy;
  button.slow = setTimeout(() => (byId("ticket-act").textContent = "Still working; nothing was sent twice"), SLOW);
}

function answered({ detail }) {
  if (detail.elt.id !== "order-ticket") return;
  const button = byId("ticket-submit");
  clearTimeout(button?.slow);
  if (!detail.successful && detail.xhr.status !== 422) {
    byId("ticket-act").textContent = "Not sent: no answer. Press again, it stays one order";
  }
}
