// A clip's frames under the pointer, from its sheet: no video is fetched until it is wanted.

// Shows one frame of a sheet as an element's background.
export function showFrame(element, sheet, index) {
  const { columns, rows } = sheet;
  const share = (place, count) => (count > 1 ? (100 * place) / (count - 1) : 0);
  element.style.backgroundImage = `url("${sheet.url}")`;
  element.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  element.style.backgroundPosition = `${share(index % columns, columns)}% ${share(Math.floor(index / columns), rows)}%`;
}

export function sheetOf(element) {
  const number = (name) => Number(element.getAttribute(name));
  return { url: element.getAttribute("sheet"), frames: number("frames"), columns: number("columns"), rows: number("rows") };
}

class Scrub extends HTMLElement {
  connectedCallback() {
    this.addEventListener("pointerenter", () => this.#begin());
    this.addEventListener("pointermove", (event) => this.#show(event));
    this.addEventListener("pointerleave", () => this.#end());
  }

  async #begin() {
    this.inside = true;
    this.sheet ??= sheetOf(this);
    if (!this.picture) {
      const image = new Image();
      image.src = this.sheet.url;
      try { await image.decode(); } catch { return; }
    }
    if (!this.inside || this.picture?.isConnected) return; // gone, or back before it was there
    this.picture = document.createElement("div");
    this.picture.className = "sheet";
    this.bar = document.createElement("div");
    this.bar.className = "place";
    this.append(this.picture, this.bar);
    if (this.last) this.#show(this.last);
  }

  #show(event) {
    this.last = event;
    if (!this.picture?.isConnected) return;
    const box = this.getBoundingClientRect();
    const place = Math.min(0.999, Math.max(0, (event.clientX - box.left) / box.width));
    showFrame(this.picture, this.sheet, Math.floor(place * this.sheet.frames));
    this.bar.style.transform = `scaleX(${place})`;
  }

  #end() {
    this.inside = false;
    this.last = undefined;
    this.picture?.remove();
    this.bar?.remove();
  }
}

customElements.define("himmel-scrub", Scrub);
