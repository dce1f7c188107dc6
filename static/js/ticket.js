// Order ticket and account tables, beyond htmx: keyboard, price steps, prices from the ladder, the state of the
// submit button. Prices are BigInt numbers of ticks: no price becomes a float.

import { setText } from "./render.js";
import { blockOf, orderOf } from "./ticket_check.js";

const NUMBER = /^\d*\.?\d*$/;
const SLOW_RESPONSE_MS = 5_000;

const slowTimers = new Map(); // request of an order → timer

const byId = (id) => document.getElementById(id);
const ticketForm = () => document.querySelector("form#order-ticket");
const dispatchInput = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

export function start() {
  document.addEventListener("keydown", onKeydown);
  document.addEventListener("click", onClick);
  document.body.addEventListener("input", onInput);
  document.body.addEventListener("change", onInput);
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
  if (target.closest('[data-act="mid"]')) fillMid();
  const ladderRow = target.closest(".ladder tbody tr");
  if (ladderRow) fillPrice(ladderRow.cells[0]);
  const copyButton = target.closest("[data-copies]");
  if (copyButton) copyText(copyButton);
}

/** The mid price, or the tick beside it that does not cross the book: below it for a buy, above it for a sale. */
function fillMid() {
  const source = document.querySelector('.ladder [data-part="mid"]');
  const form = ticketForm();
  const mid = source && priceIn(source);
  if (!mid || !form) return;
  const decimals = Number(form.dataset.decimals);
  const isBetween = Number((mid.split(".")[1] || "").slice(decimals)) > 0;
  setPrice(addTicks(mid, isBetween && form.elements.side.value === "sell" ? 1 : 0, decimals));
}

const priceIn = (source) => stripSeparators(source.textContent).replace(/[^\d.]/g, "");

const fillPrice = (source) => source && setPrice(priceIn(source));

function setPrice(price) {
  const field = byId("ticket-price");
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
/** After an input: the button names the order in the fields or the reason, and the last verdict no longer counts. */
function onInput({ target }) {
  const form = target.closest("form#order-ticket");
  if (!form || target.name === "leverage") return;
  const verdict = byId("preview-verdict");
  delete form.dataset.denied;
  if (verdict) {
    verdict.dataset.verdict = "open";
    verdict.textContent = orderOf(form).reason || "Checking…";
  }
  renderSubmit();
}

/** The state of the submit button, from the fields, the connection, the wallet and the last verdict. */
export function renderSubmit() {
  const form = ticketForm();
  const button = byId("ticket-submit");
  if (!form || form.matches(".htmx-request")) return;
  const order = orderOf(form);
  const block = blockOf(form);
  const isClosed = byId("ticket-facts")?.dataset.works === "false";
  const isDisabled = Boolean(order.reason || block || isClosed || form.dataset.denied);
  if (button.disabled !== isDisabled) button.disabled = isDisabled;
  button.dataset.kind = form.elements.side.value === "sell" ? "sell" : "buy";
  const verdict = byId("preview-verdict");
  const isChecked = verdict && verdict.dataset.verdict !== "open";
  const text = isChecked && verdict.dataset.act ? verdict.dataset.act : order.text; // the server's reading counts
  setText(byId("ticket-act"), order.reason || (block ? `${block}: ${text}` : text));
  if (block && isChecked) {
    verdict.dataset.verdict = "open";
    verdict.textContent = `${block}. Not checked.`;
  }
}

function applyPreview() {
  const verdict = byId("preview-verdict");
  const form = ticketForm();
  if (!verdict || !form) return;
  if (verdict.dataset.verdict === "denied") form.dataset.denied = "true";
  else delete form.dataset.denied;
  renderSubmit();
  const text = verdict.textContent.replace(/\s+/g, " ").trim();
  const announcer = byId("announcer");
  if (announcer.textContent !== text && verdict.dataset.verdict !== "open") announcer.textContent = text;
}

function onSwap({ detail }) {
  if (detail.target.id === "order-preview") applyPreview();
  else if (detail.target.id === "order-ticket") focusAfterSubmit();
  renderSubmit();
}

/** Focuses the error, or after success the size of the next order. */
function focusAfterSubmit() {
  const error = document.querySelector("#order-ticket [aria-invalid]") || byId("ticket-denied");
  if (error) error.focus();
  else if (byId("ticket-result")) byId("ticket-size").focus();
}

/** A table that reloads itself is not swapped while one of its rows is edited, open or waiting for an answer. */
function keepEditedRows(event) {
  const { target, requestConfig } = event.detail;
  const reloadsItself = requestConfig && requestConfig.elt === target;
  if (!reloadsItself) return;
  const isHeld = Boolean(target.querySelector("[data-editing], details[open], tr.htmx-request, tr .htmx-request"));
  if (isHeld) event.detail.shouldSwap = false;
  target.toggleAttribute("data-held", isHeld);
}

/** The timer belongs to the request: the response replaces the form and its button. */
function onRequest({ detail }) {
  if (!detail.elt.matches("form#order-ticket")) return;
  const text = byId("ticket-act");
  text.textContent = byId("ticket-submit").dataset.busy;
  slowTimers.set(detail.xhr, setTimeout(() => (text.textContent = "Waiting for confirmation"), SLOW_RESPONSE_MS));
}

function onResponse({ detail }) {
  if (!detail.elt.matches("form#order-ticket")) return;
  clearTimeout(slowTimers.get(detail.xhr));
  slowTimers.delete(detail.xhr);
  if (!detail.successful && detail.xhr.status !== 422) {
    byId("ticket-act").textContent = "Not confirmed. Submit again (no duplicate order)";
  }
}
