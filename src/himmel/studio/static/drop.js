// A picture or a clip dropped anywhere on Create, pasted or chosen: the first frame, the last, or material to go on with.
// Cards of clips may be dropped too, from another tab as well: what is taken from them is their address.
const PICTURES = ["image/png", "image/jpeg", "image/webp"];
const CLIPS = ["video/mp4", "video/quicktime", "video/x-m4v"];
const INPUTS = { first: "input_reference", last: "last_frame" };
const LEADS_ON = { first: 0, last: 1 }; // the frame of a clip that another one begins or ends with; 0 is its last
const kindOf = (type) => (PICTURES.includes(type) ? "picture" : CLIPS.includes(type) ? "clip" : "");

export class Drop {
  constructor(composer) {
    this.form = composer.form;
    this.sheet = document.querySelector("[data-drop]");
    this.line = this.sheet.querySelector("[data-drop-line]");
    Object.values(INPUTS).forEach((name) => this.form.elements[name].addEventListener("change", () => this.#chosen(name)));
    this.form.addEventListener("click", (event) => event.target.closest("[data-given-away]") && this.#away(event));
    composer.prompt.addEventListener("paste", (event) => event.clipboardData.files[0] && this.#offer(event.clipboardData));
    this.sheet.addEventListener("click", (event) => {
      const use = event.target.closest("[data-use]")?.dataset.use;
      if (use && this.held) this.#use(use);
      else if (event.target === this.sheet || event.target.closest("[data-drop-close]")) this.sheet.close();
    });
    this.sheet.addEventListener("close", () => (this.held = undefined));
    this.#dragging();
  }

  // A frame of a clip, "number:frame", as the clip's first or last.
  frame(name, value) {
    const [clip, number] = value.split(":");
    this.form.querySelector(`[data-frame="${name}"]`)?.remove();
    const chip = this.form.querySelector(`[data-frame-of="${name}"]`).content.firstElementChild.cloneNode(true);
    chip.querySelector("img").src = `/clips/${clip}/frame-${number}.png`;
    chip.querySelector("input").value = value;
    this.form.querySelector("[data-frames]").append(chip);
    this.#clear(INPUTS[name]);
  }

  #dragging() {
    let within = false; // what is dragged about on this very page is of interest only where it is a clip's card
    addEventListener("dragstart", (event) => (within = !event.target.closest?.('a[href^="/clips/"]')));
    addEventListener("dragend", () => (within = false));
    const bears = ({ dataTransfer }) => !within && dataTransfer?.types.some((type) => ["Files", "text/uri-list"].includes(type));
    addEventListener("dragover", (event) => {
      if (!bears(event)) return;
      event.preventDefault();
      const over = event.target.closest?.("[data-use]");
      this.sheet.querySelectorAll("[data-use]").forEach((button) => button.classList.toggle("over", button === over));
      if (!this.sheet.open) this.#show([...event.dataTransfer.items].map((item) => kindOf(item.type)).find(Boolean) ?? "clip");
    });
    const outside = ({ clientX: x, clientY: y }) => x <= 0 || y <= 0 || x >= innerWidth || y >= innerHeight;
    addEventListener("dragleave", (event) => !event.relatedTarget && outside(event) && !this.held && this.sheet.close());
    addEventListener("drop", (event) => {
      if (!bears(event)) return;
      event.preventDefault();
      this.sheet.querySelectorAll(".over").forEach((button) => button.classList.remove("over"));
      this.#offer(event.dataTransfer, event.target.closest?.("[data-use]")?.dataset.use);
    });
  }

  // What came is held until it is said, or was said by where it was dropped, what it shall be.
  #offer(bag, use) {
    const card = bag.getData("text/uri-list").match(/^(https?:\/\/[^/]+)\/clips\/(video_[0-9a-f]{32})/);
    const files = [...bag.files], file = files.find((one) => kindOf(one.type)) ?? files[0];
    if (card?.[1] === location.origin) this.held = { kind: "clip", clip: card[2] };
    else if (file) this.held = { kind: kindOf(file.type), file };
    else return this.#refuse("nothing");
    if (!this.#fits()) return;
    this.#show(this.held.kind);
    if (use && (use !== "remix" || this.held.kind === "clip")) this.#use(use);
  }

  #fits() {
    const { kind, file } = this.held, largest = Number(this.sheet.dataset.largest);
    if (!kind) return this.#refuse("wrong", { name: file.name });
    if (file?.size > largest) return this.#refuse("large", { name: file.name, size: mega(file.size), most: mega(largest) });
    return true;
  }

  async #use(use) {
    const { kind, file, clip } = this.held;
    if (kind === "picture") this.#picture(INPUTS[use], file);
    else {
      const number = clip ?? (await this.#bring(file));
      if (!number) return;
      if (use === "remix") return location.assign(`/clips/${number}#from-here`);
      this.frame(use, `${number}:${LEADS_ON[use]}`);
    }
    this.sheet.close();
    this.form.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // The clip goes into the library first; its number there.
  async #bring(file) {
    const body = new FormData();
    body.append("word", this.form.elements.word.value);
    body.append("material", file);
    this.#say(this.sheet.dataset.bringing, true);
    try {
      const answer = await fetch("/create/clip", { method: "POST", body, headers: { accept: "application/json" } });
      const told = await answer.json();
      if (told.go) return told.go.match(/video_[0-9a-f]{32}/)[0];
      this.#say(told.error.message, false, told.error.lang);
    } catch {
      this.#say(this.sheet.dataset.offline);
    }
  }

  #chosen(name) {
    const file = this.form.elements[name].files[0], use = name === INPUTS.first ? "first" : "last";
    if (file && kindOf(file.type) === "picture") return this.#picture(name, file);
    this.#clear(name);
    if (!file) return;
    this.held = { kind: kindOf(file.type), file };
    if (!this.#fits()) return;
    this.#show(this.held.kind);
    this.#use(use);
  }

  #picture(name, file) {
    const bag = new DataTransfer(), chip = this.form.querySelector(`[data-given="${name}"]`);
    bag.items.add(file);
    this.form.elements[name].files = bag.files;
    this.form.querySelector(`[data-frame="${name === INPUTS.first ? "first" : "last"}"]`)?.remove();
    const image = chip.querySelector("img");
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(file);
    chip.querySelector("[data-given-name]").textContent = file.name;
    chip.hidden = false;
  }

  #away(event) {
    const chip = event.target.closest("[data-given], [data-frame]");
    if (chip.dataset.given) this.#clear(chip.dataset.given);
    else chip.remove();
    this.form.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #clear(name) {
    this.form.elements[name].value = "";
    this.form.querySelector(`[data-given="${name}"]`).hidden = true;
  }

  #show(kind) {
    this.#say("");
    this.sheet.dataset.kind = kind;
    if (!this.sheet.open) this.sheet.showModal();
  }

  #refuse(why, told = {}) {
    this.held = undefined;
    this.#show("");
    this.#say(Object.entries(told).reduce((text, [name, value]) => text.replace(`{${name}}`, value), this.sheet.dataset[why]));
  }

  #say(text, busy = false, lang = document.documentElement.lang) {
    this.sheet.toggleAttribute("aria-busy", busy);
    Object.assign(this.line, { lang, textContent: text });
    this.line.hidden = !text;
    this.line.classList.toggle("problem", Boolean(text) && !busy);
  }
}

const mega = (bytes) => (bytes / 1e6).toPrecision(3);
