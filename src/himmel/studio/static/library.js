// Choosing clips by keyboard and hand, and stars without leaving the page. Without it the same forms do the same.
import { unwanted } from "./keys.js";

const shelf = document.querySelector("[data-shelf]");

if (shelf) {
  const cards = [...shelf.querySelectorAll(".card")];
  const link = (card) => card.querySelector(".card-link");
  const tick = (card) => card.querySelector(".tick input");
  let at = -1, from = -1; // the card in focus, and where a choice of many began

  const chosen = () => cards.filter((card) => tick(card).checked);
  const count = shelf.querySelector("[data-count]");
  const tell = () => {
    const many = chosen().length;
    count.textContent = count.dataset.text.replace("#", many);
    shelf.querySelector("[data-two]").hidden = many !== 2;
  };
  const choose = (card, on) => (tick(card).checked = on);
  const span = (one, other, on) => cards.slice(Math.min(one, other), Math.max(one, other) + 1).forEach((card) => choose(card, on));
  const all = (on) => cards.forEach((card) => choose(card, on));

  // The card above or below is the one whose middle is nearest.
  const beside = (step) => {
    const middle = (card) => { const box = card.getBoundingClientRect(); return [box.left + box.width / 2, box.top]; };
    const [x, y] = middle(cards[at]);
    const rows = cards.map((card, index) => [index, ...middle(card)]).filter(([, , top]) => step * (top - y) > 4);
    if (!rows.length) return at;
    const next = rows.reduce((best, [, , top]) => (step * (top - best) < 0 ? top : best), rows[0][2]);
    return rows.filter(([, , top]) => Math.abs(top - next) <= 4).reduce((a, b) => (Math.abs(b[1] - x) < Math.abs(a[1] - x) ? b : a))[0];
  };

  const go = (index, event) => {
    const before = at;
    at = Math.max(0, Math.min(cards.length - 1, index));
    link(cards[at]).focus();
    cards[at].scrollIntoView({ block: "nearest" });
    if (event.shiftKey && before >= 0) {
      if (from < 0) from = before;
      span(from, before, false);
      span(from, at, true);
    } else from = -1;
  };

  const steps = { ArrowRight: () => at + 1, ArrowLeft: () => at - 1, ArrowDown: () => beside(1), ArrowUp: () => beside(-1), Home: () => 0, End: () => cards.length - 1 };
  const deeds = {
    " ": () => (at < 0 ? false : choose(cards[at], !tick(cards[at]).checked)),
    a: () => all(true),
    Escape: () => all(false),
    s: () => at >= 0 && cards[at].querySelector(".star").click(),
    Delete: () => chosen().length && shelf.querySelector("[data-delete]").click(),
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || unwanted(event)) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, details")) return;
    if (event.key === " " && !event.target.closest(".card-link")) return; // buttons have a space of their own
    if (event.key in steps) go(at < 0 ? 0 : steps[event.key](), event);
    else if (event.key in deeds) { if (deeds[event.key]() === false) return; }
    else return;
    event.preventDefault();
    tell();
  });

  shelf.addEventListener("focusin", (event) => {
    const card = event.target.closest(".card");
    if (card) at = cards.indexOf(card);
  });
  shelf.addEventListener("click", (event) => {
    const card = event.target.closest(".card");
    if (card && event.shiftKey && event.target.closest(".tick")) {
      if (from < 0) from = cards.findLastIndex((one) => one !== card && tick(one).checked);
      if (from >= 0) span(from, cards.indexOf(card), true);
    } else if (card && event.target.closest(".tick")) from = cards.indexOf(card);
  });
  shelf.addEventListener("change", tell);
  shelf.querySelector("[data-none]").addEventListener("click", () => { all(false); tell(); });

  // A star is lit at once; where that goes wrong, the form is sent as it would be without this.
  shelf.addEventListener("submit", async (event) => {
    const star = event.submitter;
    if (!star?.matches(".star") || shelf.dataset.plain) return;
    event.preventDefault();
    const body = new URLSearchParams({ word: shelf.elements.word.value, back: "/library", [star.name]: star.value });
    try {
      const answer = await fetch(shelf.action, { method: "POST", body, redirect: "manual", headers: { accept: "text/html" } });
      if (answer.type !== "opaqueredirect") throw answer;
      const on = star.name === "star";
      star.name = on ? "unstar" : "star";
      star.setAttribute("aria-pressed", on);
    } catch {
      shelf.dataset.plain = "1";
      shelf.requestSubmit(star);
    }
  });
  tell();
}

document.querySelectorAll("[data-at-once]").forEach((choice) => choice.addEventListener("change", () => choice.form.requestSubmit()));
