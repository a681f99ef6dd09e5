// The storyboard as a timeline: cards moved and stretched by mouse, touch and keys. The form's fields are the truth.
import { Draft, fillIn, offers } from "./drafts.js";
import { inSeconds } from "./seconds.js";

const NEAR = 6; // pixels that a pointer may move before it drags
const LEAST_WIDTH = 52; // pixels of a card
const EDGES = 16; // pixels beside all cards
const CUT_WIDTH = 12; // pixels before a card with a cut
const MOST_SCALE = 160; // pixels of a second

class Storyboard extends HTMLElement {
  connectedCallback() {
    this.list = this.querySelector("[data-shots]");
    this.reel = this.querySelector("[data-reel]");
    this.cards = this.querySelector("[data-reel-cards]");
    this.segments = new Map();
    this.draft = new Draft(this.querySelector("form"), (fields) => this.#restore(fields));
    this.reel.hidden = false;
    this.classList.add("live");
    this.addEventListener("click", (event) => this.#act(event));
    this.addEventListener("input", (event) => this.#typed(event));
    this.querySelector("form").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
    });
    // What the browser finds wrong is shown, also where another card is chosen.
    this.addEventListener("invalid", (event) => this.#choose(event.target.closest("[data-shot]")), true);
    new ResizeObserver(() => this.draw()).observe(this.reel);
    this.#choose(this.shots[0]);
  }

  #restore(fields) {
    fillIn(this.querySelector("form"), fields);
    const rows = [];
    for (const [name, value] of fields) {
      const key = name.match(/^cards\[\]\[(\w+)\]$/)?.[1];
      if (key === "kind") rows.push({});
      if (key && rows.length) rows.at(-1)[key] = value;
    }
    const made = rows.map((row) => this.#card(row)).filter(Boolean);
    if (made.length) this.list.replaceChildren(...made);
  }

  #card({ kind, ...told }) {
    const card = this.querySelector(`[data-new="${CSS.escape(kind)}"]`)?.content.firstElementChild.cloneNode(true);
    if (!card) return;
    Object.entries(told).forEach(([name, value]) => {
      const input = field(card, name);
      if (input?.tagName === "SELECT" && !offers(input, value)) input.add(new Option(value, value));
      if (input?.type === "checkbox") input.checked = true;
      else if (input) input.value = value;
    });
    const picture = card.querySelector("[data-shown]");
    if (told.kept || told.clip) show(picture, told.kept ? `/storyboard/pictures/${told.kept}` : `/clips/${told.clip}/thumbnail.webp`);
    return card;
  }

  get shots() { return [...this.list.children]; }

  draw() {
    const shots = this.shots, total = shots.reduce((sum, shot) => sum + length(shot), 0);
    const cuts = shots.filter((shot, index) => index && field(shot, "cut").checked).length;
    this.scale = Math.min(MOST_SCALE, (this.reel.clientWidth - EDGES - cuts * CUT_WIDTH) / Math.max(total, 0.1));
    shots.forEach((shot, index) => {
      const segment = this.segments.get(shot) ?? this.#segment(shot);
      if (this.cards.children[index] !== segment) this.cards.insertBefore(segment, this.cards.children[index] ?? null);
      shot.querySelector("[data-number]").textContent = index + 1;
      shot.querySelectorAll("[name=act]").forEach((button) => (button.value = button.value.replace(/\d+$/, index + 1)));
      this.#show(shot, segment, index);
    });
    this.segments.forEach((segment, shot) => shot.isConnected || (segment.remove(), this.segments.delete(shot)));
    this.querySelectorAll('[value^="add-"]').forEach((button) => (button.disabled = shots.length >= Number(this.getAttribute("most"))));
    this.querySelector("[data-total]").textContent = `${inSeconds(total.toFixed(1))} ·`;
    this.#estimate(shots);
    this.draft.touch();
  }

  #show(shot, segment, index) {
    const seconds = length(shot), text = shot.querySelector("textarea")?.value.trim();
    const body = segment.querySelector(".seg-body"), edge = segment.querySelector(".seg-edge");
    const picture = shot.querySelector("[data-shown]");
    segment.style.width = `${Math.max(LEAST_WIDTH, seconds * this.scale)}px`;
    segment.dataset.kind = shot.dataset.kind;
    segment.classList.toggle("cut", index > 0 && field(shot, "cut").checked);
    segment.classList.toggle("chosen", shot === this.chosen);
    body.setAttribute("aria-pressed", shot === this.chosen);
    body.style.backgroundImage = picture && !picture.hidden ? `url("${picture.src}")` : "";
    body.classList.toggle("pictured", Boolean(picture && !picture.hidden));
    segment.querySelector("[data-number]").textContent = index + 1;
    segment.querySelector("[data-label]").textContent = text || shot.querySelector(".shot-kind").lastChild.textContent.trim();
    segment.querySelector("[data-length]").textContent = inSeconds(seconds.toFixed(1));
    edge.setAttribute("aria-valuenow", seconds);
    edge.setAttribute("aria-valuemax", longest(shot));
    edge.setAttribute("aria-valuetext", `${index + 1}: ${inSeconds(seconds.toFixed(1))}`);
  }

  #segment(shot) {
    const segment = this.querySelector("[data-segment]").content.firstElementChild.cloneNode(true);
    this.segments.set(shot, segment);
    const body = segment.querySelector(".seg-body"), edge = segment.querySelector(".seg-edge");
    body.addEventListener("click", () => this.#choose(shot));
    body.addEventListener("keydown", (event) => this.#key(event, shot));
    this.#drags(body, shot, segment, (event) => event.pointerType === "mouse");
    this.#drags(segment.querySelector(".seg-grip"), shot, segment, () => true);
    this.#stretches(edge, shot);
    return segment;
  }

  #drags(grip, shot, segment, wanted) {
    let from, by;
    grip.addEventListener("pointerdown", (event) => {
      if (event.button || !wanted(event)) return;
      [from, by] = [event.clientX, 0];
      grip.setPointerCapture(event.pointerId);
    });
    grip.addEventListener("pointermove", (event) => {
      if (from === undefined) return;
      by = event.clientX - from;
      if (Math.abs(by) < NEAR && !segment.classList.contains("dragged")) return;
      segment.classList.add("dragged");
      segment.style.transform = `translateX(${by}px)`;
    });
    const end = (event) => {
      if (from === undefined) return;
      const middle = segment.getBoundingClientRect().left + segment.offsetWidth / 2;
      const moved = segment.classList.contains("dragged");
      from = undefined;
      segment.classList.remove("dragged");
      segment.style.transform = "";
      if (!moved || event.type === "pointercancel") return;
      const others = this.shots.filter((other) => other !== shot);
      const place = others.filter((other) => {
        const box = this.segments.get(other).getBoundingClientRect();
        return box.left + box.width / 2 < middle;
      }).length;
      this.#put(shot, place);
      this.#choose(shot);
    };
    grip.addEventListener("pointerup", end);
    grip.addEventListener("pointercancel", end);
  }

  #stretches(edge, shot) {
    let from;
    edge.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      edge.setPointerCapture(event.pointerId);
      from = { x: event.clientX, seconds: length(shot), scale: Math.max(this.scale, 8) };
      this.#choose(shot);
    });
    edge.addEventListener("pointermove", (event) => {
      if (from) this.#last(shot, from.seconds + (event.clientX - from.x) / from.scale);
    });
    ["pointerup", "pointercancel"].forEach((name) => edge.addEventListener(name, () => (from = undefined)));
    edge.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#last(shot, length(shot) + step * (event.shiftKey ? 10 : 1));
    });
  }

  #last(shot, seconds) {
    const input = field(shot, "seconds");
    input.value = Math.round(10 * Math.min(longest(shot), Math.max(Number(input.min), seconds))) / 10;
    this.draw();
  }

  #key(event, shot) {
    const shots = this.shots, at = shots.indexOf(shot);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.altKey) this.#put(shot, at + step);
    else if (step && shots[at + step]) this.#choose(shots[at + step]);
    else if (event.key === "Delete") this.#remove(shot);
    else return;
    event.preventDefault();
    this.segments.get(this.chosen)?.querySelector(".seg-body").focus();
  }

  #act(event) {
    const button = event.target.closest("[name=act]");
    if (!button) return;
    event.preventDefault();
    const [what, which] = button.value.split("-"), shot = button.closest("[data-shot]");
    if (what === "add") return this.#add(which);
    if (what === "remove") return this.#remove(shot);
    this.#put(shot, this.shots.indexOf(shot) + (what === "later" ? 1 : -1));
    button.focus();
  }

  #add(kind) {
    const made = this.querySelector(`[data-new="${kind}"]`).content.firstElementChild.cloneNode(true);
    if (this.chosen) this.chosen.after(made);
    else this.list.append(made);
    this.#choose(made);
    made.querySelector("textarea, select, input[type=file]").focus();
  }

  // A card of a picture that was dropped; whether there was room for it.
  picture(file) {
    if (this.shots.length >= Number(this.getAttribute("most"))) return false;
    this.#add("image");
    const input = field(this.chosen, "picture"), bag = new DataTransfer();
    bag.items.add(file);
    input.files = bag.files;
    ["input", "change"].forEach((name) => input.dispatchEvent(new Event(name, { bubbles: true })));
    return true;
  }

  #remove(shot) {
    if (this.shots.length < 2) return;
    const next = shot.nextElementSibling ?? shot.previousElementSibling;
    shot.remove();
    this.#choose(next);
  }

  #put(shot, place) {
    const others = this.shots.filter((other) => other !== shot);
    this.list.insertBefore(shot, others[Math.max(0, place)] ?? null);
    this.querySelector("[data-said]").textContent = `${this.shots.indexOf(shot) + 1} / ${others.length + 1}`;
    this.draw();
  }

  #choose(shot) {
    if (!shot) return;
    this.chosen = shot;
    this.shots.forEach((other) => other.classList.toggle("chosen", other === shot));
    this.draw();
  }

  #typed(event) {
    const shot = event.target.closest("[data-shot]");
    if (!shot) return;
    const picture = shot.querySelector("[data-shown]"), file = event.target.files?.[0];
    if (file) {
      URL.revokeObjectURL(picture.src);
      show(picture, URL.createObjectURL(file));
    } else if (event.target.tagName === "SELECT") {
      picture.hidden = !event.target.value;
      if (event.target.value) show(picture, `/clips/${event.target.value}/thumbnail.webp`);
      field(shot, "start").value = 0;
      field(shot, "seconds").value = longest(shot) < 3600 ? longest(shot) : 2;
    }
    this.draw();
  }

  // What would become of each card, and what all of it would cost; a picture that is not sent yet is a new one.
  #estimate(shots) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      const form = this.querySelector("form"), body = new FormData(form);
      body.delete("cards[][picture]");
      const sent = new FormData();
      let card = -1;
      for (const [name, value] of body) {
        if (name === "cards[][kind]") card += 1;
        sent.append(name, name === "cards[][kept]" && shots[card].querySelector("[type=file]").files.length ? "" : value);
      }
      try {
        const answer = await fetch("/storyboard/shots", { method: "POST", body: sent, headers: { accept: "application/json" } });
        if (!answer.ok) return;
        const told = await answer.json();
        this.querySelector("[data-estimate]").textContent = told.text;
        this.#tell(shots, told.cards);
      } catch { /* what was said before stays */ }
    }, 400);
  }

  // Each card says what becomes of it; the timeline marks what is made where something is not.
  #tell(shots, fates) {
    this.reel.classList.toggle("fated", fates.includes("kept"));
    shots.forEach((shot, index) => {
      const fate = fates[index] ?? "", words = this.dataset[fate] ?? "", segment = this.segments.get(shot);
      shot.querySelector("[data-fate]").textContent = words;
      if (!segment) return;
      segment.dataset.fate = fate;
      segment.querySelector("[data-fate]").textContent = words && `, ${words}`;
    });
  }
}

const field = (shot, name) => shot.querySelector(`[name="cards[][${name}]"]`);
const length = (shot) => Math.max(0, Number(field(shot, "seconds").value) || 0);

// A picture of a card; one that is not there any more leaves no hole.
function show(picture, source) {
  picture.onerror = () => (picture.hidden = true);
  picture.src = source;
  picture.hidden = false;
}

// A clip's card lasts no longer than what there is of the clip.
function longest(shot) {
  const whole = Number(shot.querySelector("option:checked")?.dataset.seconds);
  return whole ? Math.round(1000 * (whole - Number(field(shot, "start").value))) / 1000 : 3600;
}

customElements.define("himmel-storyboard", Storyboard);
