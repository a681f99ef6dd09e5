// Two clips in step: one control for both, beside each other or one over the other with a wipe between.
// Without scripts both have the browser's own player.
import { unwanted } from "./keys.js";
import { inSeconds } from "./seconds.js";

const SPEEDS = [1, 0.5, 0.25, 2];
const LOOSE = 0.02, LOST = 0.1; // seconds apart: from here on drawn together, from here on waited for

class Compare extends HTMLElement {
  connectedCallback() {
    this.videos = [...this.querySelectorAll("video")];
    this.fps = Number(this.getAttribute("fps")) || 12;
    this.speed = 1;
    this.playing = false;
    this.style.setProperty("--both", this.videos.reduce((sum, video) => sum + video.width / video.height, 0));
    for (const video of this.videos) {
      video.controls = false;
      for (const name of ["loadedmetadata", "seeked"]) video.addEventListener(name, () => this.#tell());
      video.addEventListener("ended", () => this.playing && video === this.lead && this.#again());
      video.addEventListener("click", () => this.toggle());
    }
    this.#part("controls", ".controls").hidden = false;
    this.#part("play").addEventListener("click", () => this.toggle());
    this.querySelectorAll("[data-step]").forEach((button) =>
      button.addEventListener("click", () => this.step(Number(button.dataset.step))));
    this.#part("speed").addEventListener("click", () => this.#faster());
    this.#part("full").addEventListener("click", () => this.full());
    this.#part("modes").addEventListener("change", (event) => this.show(event.target.value));
    this.range = this.querySelector("[data-wipe] input");
    this.range.addEventListener("input", () => this.wipe(Number(this.range.value)));
    this.#track();
    this.keys = (event) => this.#key(event);
    addEventListener("keydown", this.keys);
    this.wipe(50);
    this.show(new URLSearchParams(location.search).get("mode") === "wipe" ? "wipe" : "beside");
    this.#tell();
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
  }

  disconnectedCallback() {
    this.playing = false;
    removeEventListener("keydown", this.keys);
  }

  // The longer clip leads; the other one stays at its end until both begin again.
  get lead() { return this.videos.reduce((one, other) => (this.#length(other) > this.#length(one) ? other : one)); }

  get time() { return this.lead.currentTime; }

  async play() {
    this.playing = true;
    cancelAnimationFrame(this.frame);
    const begun = this.videos.map((video) => {
      video.playbackRate = this.speed;
      return this.#over(video) && video !== this.lead ? null : video.play();
    });
    try { await Promise.all(begun); } catch (error) {
      if (error.name === "NotAllowedError") return this.pause(); // others mean that a later call has paused it
    }
    this.#follow();
  }

  pause() {
    this.playing = false;
    this.waiting = null;
    cancelAnimationFrame(this.frame);
    this.videos.forEach((video) => video.pause());
    this.#tell();
  }

  toggle() { this.playing ? this.pause() : this.play(); }

  step(frames) {
    this.pause();
    this.seek((Math.round(this.time * this.fps - 0.5) + frames + 0.5) / this.fps);
  }

  // Every clip to the same moment, or to its last frame where it is over by then.
  seek(seconds) {
    for (const video of this.videos)
      video.currentTime = Math.max(0, Math.min(seconds, this.#length(video) - 0.5 / this.fps));
    if (this.playing) this.play();
    this.#tell();
  }

  show(mode) {
    this.dataset.mode = mode;
    this.#part("wipe").hidden = mode !== "wipe";
    this.querySelector(`[name="mode"][value="${mode}"]`).checked = true;
  }

  wipe(percent) {
    this.range.value = percent;
    this.style.setProperty("--wipe", Number(this.range.value) / 100);
  }

  full() { document.fullscreenElement ? document.exitFullscreen() : this.requestFullscreen(); }

  #part(name, selector = `[data-${name}]`) { return this.querySelector(selector); }

  #length(video) { return video.duration || 0; }

  #over(video) { return video.ended || (this.#length(video) > 0 && video.currentTime > this.#length(video) - 0.01); }

  #again() {
    this.videos.forEach((video) => (video.currentTime = 0));
    this.play();
  }

  #faster() {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length];
    this.videos.forEach((video) => (video.playbackRate = this.speed));
    this.#part("speed").textContent = `${this.speed}×`;
  }

  // Who is a little ahead goes slower; who is far ahead waits. Nobody jumps, so none falls behind by loading.
  #follow() {
    cancelAnimationFrame(this.frame); // of two calls that were under way, one goes on
    if (!this.playing) return;
    const lead = this.lead, other = this.videos.find((video) => video !== lead);
    const ahead = this.#over(other) ? 0 : other.currentTime - lead.currentTime;
    const far = Math.abs(ahead) > (this.waiting ? LOOSE : LOST);
    this.waiting = far ? (ahead > 0 ? other : lead) : null;
    for (const video of this.videos) {
      if (video === this.waiting) video.pause();
      else if (video.paused && !this.#over(video)) video.play().catch(() => {}); // the next call may say pause
    }
    other.playbackRate = this.speed * (Math.abs(ahead) > LOOSE ? 1 - Math.max(-0.2, Math.min(0.2, 2 * ahead)) : 1);
    this.#tell();
    this.frame = requestAnimationFrame(() => this.#follow());
  }

  #tell() {
    const length = this.#length(this.lead), at = this.time;
    const count = Math.max(1, Math.round(length * this.fps));
    const frame = Math.min(count, Math.floor(at * this.fps + 0.01) + 1);
    this.classList.toggle("playing", this.playing);
    this.#part("clock").textContent = `${at.toFixed(1)} / ${inSeconds(length.toFixed(1))} · ${frame} / ${count}`;
    const track = this.#part("track");
    track.setAttribute("aria-valuemax", length.toFixed(2));
    track.setAttribute("aria-valuenow", at.toFixed(2));
    track.setAttribute("aria-valuetext", this.#part("clock").textContent);
    track.style.setProperty("--left", `${100 - (length ? (100 * at) / length : 0)}%`);
  }

  #track() {
    const track = this.#part("track");
    const go = (event) => {
      const box = track.getBoundingClientRect();
      this.seek(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.#length(this.lead));
    };
    track.addEventListener("pointerdown", (event) => {
      track.setPointerCapture(event.pointerId);
      this.pause();
      go(event);
    });
    track.addEventListener("pointermove", (event) => track.hasPointerCapture(event.pointerId) && go(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("textarea, select, dialog")) return;
    if (unwanted(event)) return;
    const field = event.target.closest("input"), far = event.shiftKey ? Math.round(this.fps) : 1;
    if (event.key === " " && (field === this.range || !event.target.closest("button, a, input"))) this.toggle();
    else if (event.key === "w") this.show(this.dataset.mode === "wipe" ? "beside" : "wipe");
    else if (event.key === "f") this.full();
    else if (event.key === "[" || event.key === "]") this.wipe(Number(this.range.value) + (event.key === "]" ? 2 : -2));
    else if (field) return; // its arrows are its own
    else if (event.key === "ArrowLeft") this.step(-far);
    else if (event.key === "ArrowRight") this.step(far);
    else if (event.key === "Home") this.seek(0);
    else if (event.key === "End") this.seek(this.#length(this.lead));
    else return;
    event.preventDefault();
  }
}

customElements.define("himmel-compare", Compare);
