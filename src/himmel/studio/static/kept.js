// Pictures of half-filled forms, kept in this browser beside the texts of drafts: by the form's key and the file's own.
const STORE = "pictures";
const LARGEST = 40e6; // bytes of one that is kept

export const idOf = ({ name, size, lastModified }) => [name, size, lastModified].join("|");
export const keepable = ({ type, size }) => type.startsWith("image/") && size <= LARGEST;

// Keeps these files of a form, and no others of it.
export async function keep(form, files) {
  const wanted = new Map(files.map((file) => [idOf(file), file]));
  await inStore("readwrite", async (store) => {
    for (const key of await done(store.getAllKeys(of(form)))) {
      if (!wanted.delete(key[1])) store.delete(key);
    }
    wanted.forEach((file, id) => store.put(file, [form, id]));
  });
}

// The file of this id; undefined where there is none, or nothing can be kept.
export const kept = (form, id) => inStore("readonly", (store) => done(store.get([form, id])));

// Forgets all of them, whoever's they are.
export function forget() {
  try {
    indexedDB.deleteDatabase("himmel");
  } catch { /* nothing can be kept */ }
}

const of = (form) => IDBKeyRange.bound([form, ""], [form, "\uffff"]);

async function inStore(mode, act) {
  try {
    const opened = indexedDB.open("himmel", 1);
    opened.onupgradeneeded = () => opened.result.createObjectStore(STORE);
    const database = await done(opened);
    try {
      return await act(database.transaction(STORE, mode).objectStore(STORE));
    } finally {
      database.close(); // when what was begun is done
    }
  } catch { /* full, or forbidden */ }
}

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
