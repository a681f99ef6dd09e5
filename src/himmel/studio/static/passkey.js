// Passkeys: the browser is asked for one, its answer is put into the page's form, and the form is sent as it is.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
const known = (list = []) => list.map((one) => ({ ...one, id: bytes(one.id) }));

async function asked(form) {
  const sent = { method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams(new FormData(form)) };
  const answer = await fetch(form.dataset.challenge, sent);
  const told = await answer.json();
  if (told.error?.code === "not_confirmed") location.assign("/account/confirm");
  if (!answer.ok) throw Object.assign(new Error(told.error.message), { lang: told.error.lang });
  return { ...told, challenge: bytes(told.challenge) };
}

async function credential(form) {
  const publicKey = await asked(form);
  if (form.dataset.passkey === "get") {
    return navigator.credentials.get({ publicKey: { ...publicKey, allowCredentials: known(publicKey.allowCredentials) } });
  }
  const user = { ...publicKey.user, id: bytes(publicKey.user.id) };
  return navigator.credentials.create({ publicKey: { ...publicKey, user, excludeCredentials: known(publicKey.excludeCredentials) } });
}

function asJson({ id, rawId, type, response }) {
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const parts = names.filter((name) => response[name]).map((name) => [name, text(response[name])]);
  return JSON.stringify({ id, rawId: text(rawId), type, response: Object.fromEntries(parts) });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !window.PublicKeyCredential;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [button, problem] = [form.querySelector("button"), form.querySelector(".problem")];
    button.disabled = true;
    problem.hidden = true;
    try {
      form.elements.credential.value = asJson(await credential(form));
      form.submit();
    } catch (error) {
      // A browser says why in its own words, which are for programmers; a server's are for people.
      const said = { NotAllowedError: problem.dataset.told, AbortError: problem.dataset.told, InvalidStateError: problem.dataset.known };
      problem.textContent = said[error.name] ?? error.message;
      problem.lang = error.lang ?? document.documentElement.lang;
      problem.hidden = false;
      button.disabled = false;
    }
  });
}
