// Order ticket and account tables, beyond htmx: keyboard, price steps, prices from the ladder, the state of the
// submit button. Prices are BigInt numbers of ticks: no price becomes a float.

const NUMBER = /^\d*\.?\d*$/;
const SLOW_RESPONSE_MS = 5_000;

const byId = (id) => document.getElementById(id);
const ticketForm = () => document.querySelector("form#order-ticket");
const dispatchInput = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

export function start() {
  document.addEventListener("keydown", onKeydown);
  document.addEventListener("click", onClick);
  document.body.addEventListener("input", (event) => event.target.closest("#order-ticket") && enableSubmit());
  document.body.addEventListener("htmx:beforeSwap", keepEditedRows);
  document.body.addEventListener("htmx:afterSwap", onSwap);
  document.body.addEventListener("htmx:beforeRequest", onRequest);
  document.body.addEventListener("htmx:afterRequest", onResponse);
}

// --- input ---------------------------------------------------------------------------------------------------
const stripSeparators = (text) => text.replace(/[\s,]/g, "");

/** `text` plus `ticks` of 10 ** -decimals, at least zero; null when the text is not a number. */
function addTicks(text, ticks, decimals) {
  const number = stripSeparators(text);
  if (!number || !NUMBER.test(number)) return null;
  const [whole, fraction = ""] = number.split(".");
  const sum = BigInt((whole || "0") + fraction.padEnd(decimals, "0").slice(0, decimals)) + BigInt(ticks);
  const digits = (sum < 0n ? 0n : sum).toString().padStart(decimals + 1, "0");
  return decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits;
}

function onKeydown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const { target } = event;
  if (target.matches('#order-ticket [name="price"], #order-ticket [name="trigger_price"]')) stepPrice(event);
  if (target.closest("input, select, textarea, [contenteditable]") || document.querySelector("dialog[open]")) return;
  if (event.key === "b" || event.key === "s") focusTicket(event, event.key === "b" ? "buy" : "sell");
  else if (event.key === "x") cancelFocusedOrder(event);
}

function stepPrice(event) {
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  const ticks = (event.key === "ArrowUp" ? 1 : -1) * (event.shiftKey ? 10 : 1);
  const price = addTicks(event.target.value, ticks, Number(ticketForm().dataset.decimals));
  if (price === null) return;
  event.preventDefault();
  event.target.value = price;
  dispatchInput(event.target);
}

function focusTicket(event, side) {
  const form = ticketForm();
  if (!form) return;
  event.preventDefault();
  selectSide(form, side);
  byId("ticket-size").focus();
}

function selectSide(form, side) {
  const pane = byId("pane-ticket");
  if (pane) pane.checked = true;
  const radio = form.querySelector(`[name="side"][value="${side}"]`);
  radio.checked = true;
  dispatchInput(radio);
}

function cancelFocusedOrder(event) {
  const row = event.target.closest("tr[data-order]");
  const button = row && row.querySelector("[data-cancels]");
  if (!button) return;
  event.preventDefault();
  button.click();
}

function onClick({ target }) {
  const sideButton = target.closest("[data-opens]");
  if (sideButton && ticketForm()) selectSide(ticketForm(), sideButton.dataset.opens);
  if (target.closest('[data-act="mid"]')) fillPrice(document.querySelector('.ladder [data-part="mid"]'));
  const ladderRow = target.closest(".ladder tbody tr");
  if (ladderRow) fillPrice(ladderRow.cells[0]);
  const copyButton = target.closest("[data-copies]");
  if (copyButton) copyText(copyButton);
}

function fillPrice(source) {
  const field = byId("ticket-price");
  const price = source && stripSeparators(source.textContent).replace(/[^\d.]/g, "");
  if (!field || !price) return;
  field.value = price;
  dispatchInput(field);
}

async function copyText(button) {
  try {
    await navigator.clipboard.writeText(byId(button.dataset.copies).textContent.trim());
    button.lastChild.textContent = " Copied";
  } catch (error) {
    button.lastChild.textContent = ` Copy failed (${error.name}). Select the text instead`;
  }
}

// --- answers of the server -----------------------------------------------------------------------------------
/** A denied preview is valid for its input only: after a change the button works until the next preview. */
function enableSubmit() {
  const button = byId("ticket-submit");
  if (button && button.dataset.denied) {
    delete button.dataset.denied;
    button.disabled = false;
  }
}

function applyPreview() {
  const verdict = byId("preview-verdict");
  const button = byId("ticket-submit");
  if (!verdict || !button) return;
  button.dataset.kind = document.querySelector('#order-ticket [name="side"]:checked')?.value ?? "buy";
  if (verdict.dataset.verdict === "denied") {
    button.dataset.denied = "true";
    button.disabled = true;
  } else {
    enableSubmit();
  }
  const text = verdict.textContent.replace(/\s+/g, " ").trim();
  const announcer = byId("announcer");
  if (announcer.textContent !== text && verdict.dataset.verdict !== "open") announcer.textContent = text;
}

function onSwap({ detail }) {
  if (detail.target.id === "order-preview") applyPreview();
  else if (detail.target.id === "order-ticket") focusAfterSubmit();
}

/** Focuses the error, or after success the size of the next order. */
function focusAfterSubmit() {
  const error = document.querySelector("#order-ticket [aria-invalid]") || byId("ticket-denied");
  if (error) error.focus();
  else if (byId("ticket-result")) byId("ticket-size").focus();
}

/** A table that reloads itself is not swapped while one of its rows is edited or open. */
function keepEditedRows(event) {
  const { target, requestConfig } = event.detail;
  const reloadsItself = requestConfig && requestConfig.elt === target;
  if (reloadsItself && target.querySelector("[data-editing], details[open]")) event.detail.shouldSwap = false;
}

function onRequest({ detail }) {
  const button = detail.elt.id === "order-ticket" ? byId("ticket-submit") : null;
  if (!button) return;
  byId("ticket-act").textContent = button.dataset.busy;
  const showSlow = () => (byId("ticket-act").textContent = "Waiting for confirmation");
  button.slowTimer = setTimeout(showSlow, SLOW_RESPONSE_MS);
}

function onResponse({ detail }) {
  if (detail.elt.id !== "order-ticket") return;
  const button = byId("ticket-submit");
  clearTimeout(button?.slowTimer);
  if (!detail.successful && detail.xhr.status !== 422) {
    byId("ticket-act").textContent = "Not confirmed. Submit again (no duplicate order)";
  }
}
