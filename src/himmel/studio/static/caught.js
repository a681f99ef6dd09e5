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
  const pictures = files.filter((file) => PICTURE.test(file.type));
  say(pictures.length < files.length ? line.dataset.wrong : "");
  pictures.forEach((file) => board.picture(file));
}

async function bring(files) {
  const good = files.filter(({ name }) => CLIP.test(name) || ZIP.test(name));
  if (!good.length) return say(line.dataset.wrong);
  say(line.dataset.bringing);
  try {
    let go;
    for (const file of good) go = ZIP.test(file.name) ? await send("/account/import", "file", file) : await send("/create/clip", "material", file);
    if (ZIP.test(good.at(-1).name)) location.assign(go);
    else location.assign("/library");
  } catch (error) {
    say(error.lang ? error.message : line.dataset.offline, error.lang);
  }
}

async function send(address, name, file) {
  const body = new FormData();
  body.append("word", line.dataset.word);
  body.append(name, file);
  const told = await (await fetch(address, { method: "POST", body, headers: { accept: "application/json" } })).json();
  if (told.go) return told.go;
  throw Object.assign(new Error(told.error.message), { lang: told.error.lang });
}

function say(text, lang = document.documentElement.lang) {
  const className = text === line.dataset.bringing ? "hint" : "problem";
  Object.assign(line, { lang, className, textContent: text, hidden: !text });
}
