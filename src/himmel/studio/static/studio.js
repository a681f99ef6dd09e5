// What every page does: its elements, the theme, the keys. All of it adds to pages that work without.
import { unwanted } from "./keys.js";
import "./scrub.js";
import "./player.js";
import "./composer.js";
import "./recut.js";
import "./storyboard.js";
import "./live.js";
import "./library.js";
import "./operator.js";
import "./compare.js";
import "./imports.js";
import "./caught.js";

document.documentElement.classList.add("scripted");

const theme = document.querySelector("[data-theme-switch]");
theme?.addEventListener("submit", (event) => {
  event.preventDefault();
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax${secure}`;
});

const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
const places = { c: "/create", b: "/storyboard", l: "/library", e: "/explore", q: "/queue" };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || unwanted(event)) return;
  if (!document.querySelector(".nav")) return;
  if (event.key === "?") document.querySelector("[data-keys]")?.showModal();
  else if (event.key === "/") document.querySelector("#prompt, #q")?.focus();
  else if (event.key in places) location.assign(places[event.key]);
  else return;
  event.preventDefault();
});

// What is shown once is copied with one touch.
document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", async () => {
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // where pages come over plain http
  }
  button.textContent = button.dataset.copied;
}));

// What pops up goes away again.
const pops = () => document.querySelectorAll("details.pop[open]");
addEventListener("click", (event) => pops().forEach((pop) => pop.contains(event.target) || (pop.open = false)));
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  pops().forEach((pop) => {
    pop.open = false;
    pop.querySelector("summary").focus();
  });
});

// A form that was sent is not sent twice by an impatient hand.
addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post" || event.submitter?.matches("[data-stays]")) return;
  setTimeout(() => event.target.querySelectorAll("button").forEach((button) => (button.disabled = true)));
});
addEventListener("pageshow", () => {
  const asleep = document.querySelectorAll("button:disabled:not(himmel-storyboard [name=act])"); // which sees to its own
  asleep.forEach((button) => (button.disabled = false));
});
