// A player for short clips: frame by frame, in a loop, slower, in full screen. Without scripts the browser's own stays.
import { unwanted } from "./keys.js";
import { showFrame, sheetOf } from "./scrub.js";
import { inSeconds } from "./seconds.js";

const SPEEDS = [1, 0.5, 0.25, 2];

class Player extends HTMLElement {
  connectedCallback() {
    this.video = this.querySelector("video");
    this.controls = this.querySelector(".controls");
    this.fps = Number(this.getAttribute("fps")) || 12;
    this.sheet = sheetOf(this);
    this.video.controls = false;
    this.controls.hidden = false;
    const on = (name, act) => this.#part(name).addEventListener("click", act);
    on("play", () => this.toggle());
    this.querySelectorAll("[data-step]").forEach((button) =>
      button.addEventListener("click", () => this.step(Number(button.dataset.step))));
    on("speed", () => this.speed());
    on("loop", () => this.loop());
    on("full", () => this.full());
    this.video.addEventListener("click", () => this.toggle());
    for (const name of ["play", "pause", "timeupdate", "seeked", "loadedmetadata", "durationchange"])
      this.video.addEventListener(name, () => this.#tell());
    this.#track();
    this.keys = (event) => this.#key(event);
    addEventListener("keydown", this.keys);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.video.play().catch(() => {});
    this.#tell();
  }

  disconnectedCallback() { removeEventListener("keydown", this.keys); }

  toggle() { this.video.paused ? this.video.play() : this.video.pause(); }

  step(frames) {
    this.video.pause();
    this.#seek((Math.round(this.video.currentTime * this.fps - 0.5) + frames + 0.5) / this.fps);
  }

  speed() {
    const next = SPEEDS[(SPEEDS.indexOf(this.video.playbackRate) + 1) % SPEEDS.length];
    this.video.playbackRate = next;
    this.#part("speed").textContent = `${next}×`;
  }

  loop() {
    this.video.loop = !this.video.loop;
    this.#part("loop").setAttribute("aria-pressed", this.video.loop);
  }

  full() { document.fullscreenElement ? document.exitFullscreen() : this.requestFullscreen(); }

  #part(name) { return this.querySelector(`[data-${name}]`); }

  #seek(seconds) {
    const last = (this.video.duration || 0) - 0.5 / this.fps;
    this.video.currentTime = Math.min(Math.max(0, seconds), Math.max(0, last));
  }

  #tell() {
    cancelAnimationFrame(this.frame); // of all calls that were under way, one goes on
    const { currentTime, duration, paused } = this.video;
    this.classList.toggle("playing", !paused);
    const length = duration || 0;
    const count = Math.max(1, Math.round(length * this.fps));
    const frame = Math.min(count, Math.floor(currentTime * this.fps + 0.01) + 1);
    this.#part("clock").textContent = `${currentTime.toFixed(1)} / ${inSeconds(length.toFixed(1))} · ${frame} / ${count}`;
    const track = this.#part("track");
    track.setAttribute("aria-valuemax", length.toFixed(2));
    track.setAttribute("aria-valuenow", currentTime.toFixed(2));
    track.setAttribute("aria-valuetext", this.#part("clock").textContent);
    track.style.setProperty("--left", `${100 - (length ? (100 * currentTime) / length : 0)}%`);
    if (!paused) this.frame = requestAnimationFrame(() => this.#tell());
  }

  #track() {
    const track = this.#part("track"), peek = track.querySelector(".track-peek");
    const place = (event) => {
      const box = track.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    };
    track.addEventListener("pointerdown", (event) => {
      track.setPointerCapture(event.pointerId);
      this.video.pause();
      this.#seek(place(event) * (this.video.duration || 0));
    });
    track.addEventListener("pointermove", (event) => {
      const at = place(event);
      if (track.hasPointerCapture(event.pointerId)) this.#seek(at * (this.video.duration || 0));
      peek.hidden = event.pointerType !== "mouse";
      peek.style.left = `clamp(5rem, ${100 * at}%, 100% - 5rem)`;
      showFrame(peek, this.sheet, Math.min(this.sheet.frames - 1, Math.floor(at * this.sheet.frames)));
    });
    track.addEventListener("pointerleave", () => (peek.hidden = true));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || unwanted(event)) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    const far = event.shiftKey ? Math.round(this.fps) : 1;
    if (event.key === " " && !event.target.closest("button, a, summary")) this.toggle();
    else if (event.key === "ArrowLeft") this.step(-far);
    else if (event.key === "ArrowRight") this.step(far);
    else if (event.key === "Home") this.#seek(0);
    else if (event.key === "End") this.#seek(this.video.duration);
    else if (event.key === "o") this.loop();
    else if (event.key === "f") this.full();
    else return;
    event.preventDefault();
  }
}

customElements.define("himmel-player", Player);
