// Cutting a clip on its player's track: two handles, the same two numbers as in the form. And which frame is seen.
import { unwanted } from "./keys.js";
import { inSeconds } from "./seconds.js";

const form = document.querySelector("[data-recut]");
const player = document.querySelector("himmel-player");
const frames = document.querySelector("[data-frame-form]");

if (form && player) {
  const { start, stop } = form.elements;
  const length = Number(stop.max), least = 0.1;
  const video = player.querySelector("video"), track = player.querySelector("[data-track]");
  const round = (seconds) => Math.round(seconds * 100) / 100;
  const kept = document.createElement("span");
  kept.className = "track-kept";
  const handles = [start, stop].map((input) => {
    const handle = document.createElement("span");
    handle.className = "track-handle";
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", input.closest("label").firstChild.textContent.trim());
    handle.setAttribute("aria-valuemin", 0);
    handle.setAttribute("aria-valuemax", length);
    handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      event.stopPropagation();
      const box = track.getBoundingClientRect();
      put(input, (length * (event.clientX - box.left)) / box.width);
    });
    handle.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!steps) return;
      event.preventDefault();
      event.stopPropagation();
      put(input, Number(input.value) + (event.shiftKey ? steps : steps / player.fps));
    });
    return handle;
  });

  function put(input, seconds) {
    const low = input === stop ? Number(start.value) + least : 0;
    const high = input === start ? Number(stop.value) - least : length;
    input.value = round(Math.min(high, Math.max(low, seconds)));
    input.dispatchEvent(new Event("change", { bubbles: true })); // for the draft
    video.pause();
    video.currentTime = Math.min(Number(input.value), Math.max(0, length - 0.5 / player.fps));
    show();
  }

  function show() {
    const places = [start, stop].map((input) => (100 * Number(input.value)) / length);
    handles.forEach((handle, index) => {
      handle.style.left = `${places[index]}%`;
      handle.setAttribute("aria-valuenow", [start, stop][index].value);
      handle.setAttribute("aria-valuetext", inSeconds([start, stop][index].value));
    });
    kept.style.left = `${places[0]}%`;
    kept.style.right = `${100 - places[1]}%`;
    track.classList.toggle("cut", places[0] > 0 || places[1] < 100);
  }

  track.after(Object.assign(document.createElement("div"), { className: "track-cut" }));
  track.nextElementSibling.append(kept, ...handles);
  form.addEventListener("input", show);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || unwanted(event)) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    if (event.key === "i") put(start, video.currentTime);
    else if (event.key === "u") put(stop, video.currentTime);
  });
  show();
}

if (frames && player) {
  const { frame } = frames.elements, file = frames.querySelector("[data-frame-file]");
  const video = player.querySelector("video");
  const tell = () => (file.href = file.href.replace(/frame-\d+/, `frame-${Number(frame.value) || 1}`));
  const seen = () => {
    frame.value = Math.min(Number(frame.max), Math.floor(video.currentTime * player.fps + 0.01) + 1);
    tell();
  };
  ["pause", "seeked"].forEach((name) => video.addEventListener(name, seen));
  frame.addEventListener("input", () => {
    tell();
    video.pause();
    if (frame.reportValidity()) video.currentTime = (Number(frame.value) - 0.5) / player.fps;
  });
}
