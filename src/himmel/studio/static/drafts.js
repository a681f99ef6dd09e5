// Forms that are half filled in: kept in this browser, by account, until the server has them; sent so that a line that
// breaks loses nothing. A form says under which name in data-draft; of its files pictures are kept.
import { forget, idOf, keep, keepable, kept as keptFile } from "./kept.js";

const PAUSE = 300; // milliseconds without a change before a draft is written
const DRAFTS = "himmel.draft."; // what their names begin with
const LEAVING = "himmel.leaving";
const OWN = ["word", "once"]; // fields that belong to a page, not to who fills it in

export class Draft {
  // "fill" puts kept fields, [name, value] in order, into a form that has more than plain fields.
  constructor(form, fill = (fields) => fillIn(form, fields)) {
    const plain = DRAFTS + form.dataset.draft;
    Object.assign(this, { form, key: plain + location.search, latest: `${plain}.latest` });
    this.note = form.querySelector("[data-restored]");
    this.begun = JSON.stringify(this.#fields());
    this.#restore(fill);
    ["input", "change"].forEach((name) => form.addEventListener(name, () => this.touch()));
    addEventListener("visibilitychange", () => document.hidden && this.#write());
    addEventListener("pagehide", () => this.#write());
    addEventListener("online", () => this.offline && this.#say(""));
    // A page that comes back as it was left, after its form was sent, is begun anew.
    addEventListener("pageshow", (event) => event.persisted && this.over && location.reload());
    form.addEventListener("submit", (event) => this.#send(event));
    this.note.querySelector("[data-anew]").addEventListener("click", () => {
      this.#clear().then(() => location.replace(location.pathname + location.search));
    });
  }

  touch() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#write(), PAUSE);
  }

  #fields() {
    return [...new FormData(this.form)].filter(([name, value]) => typeof value === "string" && !OWN.includes(name));
  }

  #restore(fill) {
    const kept = this.#found();
    if (!kept) return;
    this.kept = true;
    fill(kept.fields);
    this.form.closest("details")?.setAttribute("open", ""); // or nobody would see it
    this.form.elements.once.value = kept.once ?? this.form.elements.once.value;
    this.note.hidden = false;
    this.#bring(Array.isArray(kept.files) ? kept.files : []);
  }

  // A page about a certain clip has values of its own, so each has a draft of its own. A page about none goes on with the
  // latest of those where nothing was typed on it.
  #found() {
    try {
      const latest = localStorage.getItem(this.latest);
      if (latest && !location.search && !localStorage.getItem(this.key)) this.key = latest;
      const kept = JSON.parse(localStorage.getItem(this.key));
      if (Array.isArray(kept?.fields)) return kept;
    } catch { /* a browser that keeps nothing, or nothing that can be read */ }
  }

  // Files come a moment later; until they are there, they count as there.
  async #bring(files) {
    this.coming = files;
    const found = await Promise.all(files.map(async ([place, id]) => [place, id && (await keptFile(this.key, id))]));
    const inputs = this.#inputs();
    this.coming = undefined;
    for (const [place, file] of found) {
      if (!file || !inputs[place] || inputs[place].files.length) continue;
      const bag = new DataTransfer();
      bag.items.add(file);
      inputs[place].files = bag.files;
      ["input", "change"].forEach((name) => inputs[place].dispatchEvent(new Event(name, { bubbles: true })));
    }
    this.note.querySelector("[data-restored-files]").hidden = found.every(([, file]) => file);
  }

  #inputs() {
    return [...this.form.elements].filter((element) => element.type === "file");
  }

  // Where files are, and which, as far as they can be kept.
  #files() {
    const given = this.#inputs().map((input, place) => [place, input.files[0]]).filter(([, file]) => file);
    return given.map(([place, file]) => [place, keepable(file) && idOf(file), file]);
  }

  #write() {
    clearTimeout(this.timer);
    if (this.over) return;
    const fields = this.#fields(), once = this.form.elements.once.value, given = this.#files();
    const files = this.coming ?? given.map(([place, id]) => [place, id]);
    try {
      if (JSON.stringify(fields) !== this.begun || files.length) {
        localStorage.setItem(this.key, JSON.stringify({ once, fields, files }));
        if (this.key.includes("?")) localStorage.setItem(this.latest, this.key);
        this.kept = true;
      } else if (this.kept) this.#forget();
    } catch { /* full, or forbidden */ }
    if (!this.coming) this.#keep(given.filter(([, id]) => id).map(([, , file]) => file));
  }

  // Only what changed: pictures are large.
  #keep(pictures) {
    const ids = pictures.map(idOf).sort().join();
    if (ids !== (this.ids ?? "")) keep(this.key, pictures);
    this.ids = ids;
  }

  #forget() { [this.key, this.latest].forEach((key) => localStorage.removeItem(key)); }

  #clear() {
    this.over = true;
    try {
      this.#forget();
    } catch { /* nothing is there */ }
    return keep(this.key, []);
  }

  // The form goes by itself, so that the page with all that is in it stays until the server has it. Sent again, even
  // after a reload, it carries the same word "once", by which the server knows it.
  async #send(event) {
    if (event.defaultPrevented || event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    if (this.sending) return;
    this.#say("");
    this.#write();
    this.#busy(true);
    try {
      const body = new FormData(this.form), headers = { accept: "application/json" };
      const answer = await fetch(this.form.action, { method: "POST", body, headers });
      const told = await answer.json();
      if (told.go) {
        await this.#clear();
        return location.assign(told.go);
      }
      this.#say(told.error.message, told.error.lang);
    } catch {
      this.offline = true;
      this.#say(this.note.dataset.offline);
    }
    this.#busy(false);
  }

  #busy(sending) {
    this.sending = sending;
    this.form.setAttribute("aria-busy", sending);
    if (sending) this.held = this.form.querySelectorAll("button:enabled:not([type=button])");
    this.held.forEach((button) => (button.disabled = sending));
  }

  #say(text, lang = document.documentElement.lang) {
    document.querySelector("#problem")?.remove(); // of whichever form: a page has one
    this.offline = this.offline && Boolean(text);
    if (!text) return;
    const line = Object.assign(document.createElement("p"), { className: "problem", id: "problem", lang, textContent: text });
    line.setAttribute("role", "alert");
    this.note.before(line);
    line.scrollIntoView({ block: "nearest" });
  }
}

// Puts kept fields into the plain ones of a form; those of cards are passed over.
export function fillIn(form, fields) {
  const kept = new Map(fields);
  for (const element of form.elements) {
    const { name, type, tagName } = element;
    if (!name || name.includes("[") || OWN.includes(name) || type === "file" || tagName === "BUTTON") continue;
    if (["checkbox", "radio"].includes(type)) element.checked = kept.get(name) === element.value;
    else if (kept.has(name) && (tagName !== "SELECT" || offers(element, kept.get(name)))) element.value = kept.get(name);
    if (type !== "radio" && element.value && element.closest("details.more")) element.closest("details").open = true;
  }
}

export const offers = (select, value) => [...select.options].some((option) => option.value === value);

// Who signs out, or ends the account, leaves nothing behind, once it is done; the server's Clear-Site-Data is for https.
document.querySelectorAll("form[data-leaves]").forEach((form) => form.addEventListener("submit", () => {
  try {
    sessionStorage.setItem(LEAVING, "1");
  } catch { /* a browser that keeps nothing */ }
}));
try {
  const left = sessionStorage.getItem(LEAVING) && !document.querySelector(".nav");
  sessionStorage.removeItem(LEAVING);
  if (left) {
    Object.keys(localStorage).filter((key) => key.startsWith(DRAFTS)).forEach((key) => localStorage.removeItem(key));
    forget();
  }
} catch { /* a browser that keeps nothing */ }

// Forms of plain fields alone need no more than this; those with more make drafts of themselves.
document.querySelectorAll("form[data-draft]").forEach((form) => {
  if (!form.closest("himmel-composer, himmel-storyboard")) new Draft(form);
});
