// Files dropped on pages where no form waits for them, which the browser would leave for such a file: a picture becomes a
// card of the storyboard, clips and exports go into the library. Create has more to offer, see drop.js.
const line = document.querySelector("[data-caught]");
const board = document.querySelector("himmel-storyboard");
const PICTURE = /^image\/(png|jpeg|webp)$/, CLIP = /\.(mp4|mov|m4v)$/i, ZIP = /\.zip$/i;

if (line) {
  let within = false; // a picture of this very page, dragged about, is no file
  const bears = (event) => !within && event.dataTransfer?.types.includes("Files") && !event.target.closest?.("[type=file]");
  addEventListener("dragstart", () => (within = true));
  addEventListener("dragend", () => (within = false));
  addEventListener("dragover", (event) => bears(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!bears(event)) return;
    event.preventDefault();
    (board ? lay : bring)([...event.dataTransfer.files]);
  });
}

function lay(files) {
  const why = (file) => (!PICTURE.test(file.type) ? line.dataset.wrong : board.picture(file) ? "" : line.dataset.full);
  say(files.map((file) => ({ name: file.name, why: why(file) })).filter(({ why }) => why));
}

// What cannot be used keeps nothing else away: it is said by name when the others are there.
async function bring(files) {
  const refused = [], fits = ({ name }) => CLIP.test(name) || ZIP.test(name);
  let go;
  if (files.some(fits)) say([{ why: line.dataset.bringing }], "hint");
  for (const file of files) {
    try {
      if (!fits(file)) throw trouble(line.dataset.wrong);
      if (ZIP.test(file.name)) go = await send("/account/import", "file", file);
      else go = (await send("/create/clip", "material", file)) && (go ?? "/library");
    } catch ({ message, lang }) {
      refused.push({ name: file.name, why: lang ? message : line.dataset.offline, lang });
    }
  }
  if (go && !refused.length) return location.assign(go);
  say(refused);
  if (go) line.append(Object.assign(document.createElement("a"), { href: go, textContent: line.dataset.came }));
}

async function send(address, name, file) {
  const body = new FormData();
  body.append("word", line.dataset.word);
  body.append(name, file);
  const told = await (await fetch(address, { method: "POST", body, headers: { accept: "application/json" } })).json();
  if (told.go) return told.go;
  throw trouble(told.error.message, told.error.lang);
}

const trouble = (message, lang = document.documentElement.lang) => Object.assign(new Error(message), { lang });

function say(all, className = "problem") {
  Object.assign(line, { className, hidden: !all.length });
  line.replaceChildren(...all.map(({ name, why, lang = document.documentElement.lang }) =>
    Object.assign(document.createElement("span"), { lang, textContent: name ? `${name}: ${why}` : why })));
}
