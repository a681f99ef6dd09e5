// How clips are getting on: one stream for the whole tab, and asking again and again where streams do not get through.
const OVER = ["completed", "failed", "deleted"];
const POLL = 3000; // milliseconds
const PATIENCE = 3; // streams that fail before they bring anything

const open = () => document.querySelectorAll('[data-status="queued"], [data-status="in_progress"]');
const ofClip = (id) => document.querySelectorAll(`[data-clip="${CSS.escape(id)}"]`);
let stream, timer, polling, last = Number(document.documentElement.dataset.now) || 0, failures = 0; // since the page was made

function begin() {
  if (document.hidden || !open().length || stream || timer || polling) return;
  if (failures >= PATIENCE) return poll();
  stream = new EventSource(last ? `/events?since=${last}` : "/events");
  stream.addEventListener("clips", (event) => {
    failures = 0;
    take(event.lastEventId, JSON.parse(event.data));
  });
  stream.addEventListener("error", () => {
    failures += 1;
    if (stream?.readyState === EventSource.CLOSED || failures >= PATIENCE) {
      end();
      setTimeout(begin, 1000 * failures);
    }
  });
}

function end() {
  stream?.close();
  clearTimeout(timer);
  stream = timer = undefined;
}

async function poll() {
  polling = true;
  try {
    const answer = await fetch(`/events/latest?since=${last}`, { headers: { accept: "application/json" } });
    if (answer.ok) {
      const { id, clips } = await answer.json();
      take(id, clips);
    }
  } catch { /* it is asked again */ }
  polling = false;
  timer = setTimeout(() => {
    timer = undefined;
    begin();
  }, POLL);
}

function take(id, clips) {
  last = Number(id) || last;
  clips.forEach((clip) => ofClip(clip.id).forEach((card) => show(card, clip)));
  if (!open().length) end();
}

function show(card, clip) {
  const before = card.dataset.status;
  card.dataset.status = clip.status;
  if (clip.status === "deleted") return card.remove();
  if (OVER.includes(clip.status) && !OVER.includes(before)) return finished(card, clip.id);
  const line = card.querySelector("[data-line]"), bar = card.querySelector("[data-progress]");
  if (line && line.textContent !== clip.line) line.textContent = clip.line;
  if (bar) bar.value = clip.progress;
  const picture = card.querySelector("[data-preview]");
  if (picture && clip.preview) {
    const next = new Image();
    next.addEventListener("load", () => {
      picture.src = next.src;
      picture.hidden = false;
    });
    next.src = `/clips/${clip.id}/preview.webp?at=${clip.progress}`;
  }
}

// A card becomes its finished self; where the page is about that clip, the page does.
async function finished(card, id) {
  if (card.closest("[data-reload]")) return location.reload();
  try {
    const answer = await fetch(`/clips/${id}/card`, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const made = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-clip]");
    const focused = card.contains(document.activeElement);
    card.replaceWith(document.adoptNode(made));
    if (focused) made.querySelector("a")?.focus();
  } catch { /* the next look at the page shows it */ }
}

addEventListener("visibilitychange", () => (document.hidden ? end() : begin()));
addEventListener("online", () => {
  failures = 0;
  end();
  begin();
});
addEventListener("pagehide", end);
addEventListener("pageshow", begin);
begin();
