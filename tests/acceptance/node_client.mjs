// What a script in JavaScript does with the Videos API. Prints what it saw as JSON.
//
//   node node_client.mjs FOLDER_OF_THE_PACKAGE BASE_URL KEY FILE
//
// The first clip's bytes land in FILE, and that clip stays; the others are deleted.
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, baseURL, apiKey, file] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/`));
const { default: OpenAI, toFile } = require("openai");

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const seen = {};
const small = { model: "sora-2", seconds: "1", size: "64x48" };

const nameOf = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.requestID?.slice(0, 4)];
  }
  return "no error";
};

const first = await client.videos.create({ prompt: "a cat on the beach", ...small });
seen.id = first.id;
seen.created = [first.object, first.model, first.seconds, first.size];
const end = async (video) => {
  while (video.status === "queued" || video.status === "in_progress") {
    const { data, response } = await client.videos.retrieve(video.id).withResponse();
    await new Promise((resolve) => setTimeout(resolve, Number(response.headers.get("openai-poll-after-ms"))));
    video = data;
  }
  return video;
};
const done = await end(first);
seen.polled = [done.id === first.id, done.status, done.progress, done.error];

const content = await client.videos.downloadContent(first.id);
seen.kind = content.headers.get("content-type");
await writeFile(file, Buffer.from(await content.arrayBuffer()));
const thumbnail = await client.videos.downloadContent(first.id, { variant: "thumbnail" });
seen.thumbnail = thumbnail.headers.get("content-type");

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const picture = await toFile(Buffer.from(pixel, "base64"), "pixel.png", { type: "image/png" });
const made = [await end(await client.videos.create({ prompt: "from a picture", input_reference: picture, ...small }))];
seen.fromPicture = made[0].status;
made.push(await end(await client.videos.remix(first.id, { prompt: "a dog" })));
seen.remixed = [made[1].status, made[1].remixed_from_video_id === first.id];

const listed = [];
for await (const video of client.videos.list({ limit: 1, order: "asc" })) listed.push(video.id);
seen.listed = JSON.stringify(listed) === JSON.stringify([first, ...made].map((video) => video.id));

seen.notFound = await nameOf(client.videos.retrieve("video_0"));
seen.unknownKey = await nameOf(new OpenAI({ baseURL, apiKey: "nonsense", maxRetries: 0 }).videos.list());
seen.wrongValue = await nameOf(client.videos.create({ prompt: "a cat", ...small, size: "huge" }));

seen.deleted = [];
for (const { id } of made) seen.deleted.push((await client.videos.delete(id)).object);
console.log(JSON.stringify(seen));
