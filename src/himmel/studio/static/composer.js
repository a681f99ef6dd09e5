// The form of Create, while somebody types: unknown words, words put in, the seed, the cost.
import { Draft, fillIn } from "./drafts.js";
import { Drop } from "./drop.js";

const PAUSE = 350; // milliseconds without a key before words are looked up
const COSTLY = ["seconds", "n", "turbo", "steps", "guidance", "negative_prompt"]; // what settles the cost

class Composer extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.prompt = this.querySelector("#prompt");
    this.marks = this.querySelector("[data-marks]");
    this.told = this.querySelector("[data-words]");
    const drop = new Drop(this);
    new Draft(this.form, (fields) => {
      fields.filter(([name]) => ["first", "last"].includes(name)).forEach(([name, value]) => drop.frame(name, value));
      fillIn(this.form, fields);
      this.#estimate();
    });
    this.prompt.addEventListener("input", (event) => this.#typed(event));
    this.prompt.addEventListener("scroll", () => (this.marks.scrollTop = this.prompt.scrollTop));
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
    this.querySelectorAll("[data-insert]").forEach((button) =>
      button.addEventListener("click", () => this.#put(button.dataset)));
    this.#seed();
    this.form.addEventListener("change", (event) => {
      if (COSTLY.includes(event.target.name)) this.#estimate();
    });
    if (this.prompt.value) this.#look();
  }

  // A preset yields to what the prompt says itself, and speaks its language; the server knows both. What was typed while
  // it was asked is not lost: it is asked again.
  async #put({ look, insert }) {
    if (!look) return this.insert(insert);
    try {
      let asked, told;
      do {
        asked = this.prompt.value;
        told = await ask("/create/look", { look, prompt: asked });
      } while (asked !== this.prompt.value);
      this.prompt.value = told.prompt;
      this.yielded = told.notes;
      this.#changed();
    } catch { this.insert(insert); }
  }

  // Puts words at the prompt's end, where one can see and change them.
  insert(words) {
    const before = this.prompt.value.trimEnd();
    if (before.toLowerCase().includes(words.toLowerCase())) return this.prompt.focus();
    this.prompt.value = before ? `${before.replace(/[.,;]$/, "")}, ${words}` : words;
    this.#changed();
  }

  #changed() {
    this.prompt.dispatchEvent(new Event("input", { bubbles: true }));
    this.prompt.focus();
  }

  #typed(event) {
    if (event.isTrusted) this.yielded = []; // what was said of a preset is over when somebody types on
    if (this.found) this.#mark();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#look(), PAUSE);
  }

  async #look() {
    const asked = this.prompt.value;
    try {
      const found = await ask("/create/words", { prompt: asked });
      if (asked !== this.prompt.value) return;
      this.found = found;
    } catch { return; }
    this.#mark();
    const notes = [...this.found.notes, ...(this.yielded ?? [])];
    this.told.replaceChildren(...this.found.unknown.map((word) => this.#explained(word)), ...notes.map(line));
  }

  // The same text lies under the prompt, unseen but for its marks.
  #mark() {
    const words = this.found.unknown.map((one) => one.word).sort((a, b) => b.length - a.length);
    const parts = words.length ? this.prompt.value.split(standing(words)) : [];
    this.marks.replaceChildren(...parts.map((part, index) => {
      if (index % 2 === 0) return document.createTextNode(part);
      return Object.assign(document.createElement("mark"), { textContent: part });
    }));
  }

  #explained({ word, nearest, examples }) {
    const piece = this.querySelector("[data-unknown]").content.cloneNode(true);
    piece.querySelector("b").textContent = word;
    piece.querySelector(nearest.length ? "[data-none]" : "[data-nearest]").remove();
    const choices = (nearest.length ? nearest : examples).map((choice) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "word", textContent: choice });
      button.addEventListener("click", () => {
        this.prompt.value = this.prompt.value.replace(standing([word], "u"), () => choice);
        this.#changed();
      });
      return button;
    });
    piece.querySelector("[data-choices]").replaceChildren(...choices);
    return piece;
  }

  #seed() {
    const { seed, locked } = this.form.elements;
    const roll = () => {
      seed.value = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
      locked.checked = false;
    };
    this.querySelector("[data-dice]").addEventListener("click", roll);
    seed.addEventListener("change", () => (locked.checked = true)); // a seed that was typed is meant
  }

  async #estimate() {
    const said = COSTLY.map((name) => [name, this.form.elements[name].value]).filter(([, value]) => value);
    try {
      const asked = new URLSearchParams(said);
      if (asked.has("negative_prompt")) asked.set("negative_prompt", "x"); // that there is one is enough
      const answer = await fetch(`/create/estimate?${asked}`, { headers: { accept: "application/json" } });
      if (answer.ok) this.querySelector("[data-estimate]").textContent = (await answer.json()).text;
    } catch { /* the old one stays */ }
  }
}

// Where words stand by themselves, the first of them that fits. Japanese has no spaces: its words stand within others,
// and end what is beside them. As words.py cuts it.
const JAPANESE = "[\\u3005\\u3041-\\u309f\\u30a0-\\u30ff\\u3400-\\u9fff]";
const LETTER = `(?!${JAPANESE})[\\p{L}\\p{M}\\p{N}_]`, JOIN = "[-'’.]*";
function standing(words, flags = "gu") {
  const found = words.map((word) => {
    const plain = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return new RegExp(JAPANESE).test(word) ? plain : `(?<!${LETTER}${JOIN})${plain}(?!${JOIN}${LETTER})`;
  });
  return new RegExp(`(${found.join("|")})`, flags);
}

async function ask(address, told) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(told) });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

const line = (text) => Object.assign(document.createElement("p"), { lang: "en", textContent: text });

customElements.define("himmel-composer", Composer);
