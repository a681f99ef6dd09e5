// One maker's way through the studio in Firefox, which puppeteer drives over WebDriver BiDi: signs in, makes a clip and
// watches it, plays it, finds it in the library. Tells what it saw as JSON.
import { createRequire } from "node:module";

const [folder, firefox, address, key] = process.argv.slice(2);
const puppeteer = createRequire(`${folder}/`)("puppeteer-core");
const PATIENCE = 60_000; // milliseconds

const browser = await puppeteer.launch({ browser: "firefox", executablePath: firefox, headless: true, timeout: PATIENCE });
const seen = { complaints: [], progress: [] };
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  page.on("console", (told) => told.type() === "error" && seen.complaints.push(told.text()));
  await journey(page);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));

async function journey(page) {
  await page.goto(`${address}/sign-in`);
  await page.click("details.more summary");
  await page.type("[name=key]", key);
  await page.click("details.more button");
  await until(page, () => location.pathname === "/create");
  await page.type("#prompt", "a quokka jumping");
  await until(page, () => document.querySelector(".unknown b")?.textContent === "quokka");
  await page.click(".unknown button");
  await until(page, () => !document.querySelector(".unknown")); // what goes away moves what is below it
  seen.prompt = await page.$eval("#prompt", (box) => box.value);
  await page.select("[name=seconds]", "2");
  await page.click("form.composer .primary");
  await until(page, () => location.search.startsWith("?from=video_"));

  const number = new URL(page.url()).searchParams.get("from");
  await until(page, (number) => document.querySelector(`[data-clip="${number}"]`)?.dataset.status === "completed", number, async () => {
    const now = await page.evaluate(() => document.querySelector("[data-progress]")?.value);
    if (now !== undefined && now !== seen.progress.at(-1)) seen.progress.push(now);
  });
  await page.click(`[data-clip="${number}"] a`);
  await until(page, () => document.querySelector("himmel-player video")?.readyState > 2);
  await page.evaluate(() => document.querySelector("video").play());
  await until(page, () => document.querySelector("video").currentTime > 0.5);
  seen.size = await page.$eval("video", (video) => [video.videoWidth, video.videoHeight, video.duration]);
  await page.keyboard.press(" ");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  await until(page, () => document.querySelector("[data-clock]").textContent.includes("2 / 24"));

  await page.goto(`${address}/library?q=kangaroo`);
  seen.found = await page.$$eval(".card-prompt", (all) => all.map((one) => one.textContent));
  await page.hover(".card himmel-scrub");
  await until(page, () => document.querySelector(".card .sheet"));
}

// Waits until a page says so: asked from here, for its policy forbids to be asked by text of our own.
async function until(page, script, given, meanwhile = () => {}) {
  for (const begun = Date.now(); Date.now() - begun < PATIENCE; ) {
    await meanwhile();
    try {
      if (await page.evaluate(script, given)) return;
    } catch { /* between two pages */ }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${page.url()}: never ${script}`);
}
