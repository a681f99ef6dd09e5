// Keys of one letter or sign, which get in the way of whoever speaks to the browser or hits keys unawares: they can be
// switched off. The choice is a cookie, as the theme is, for it shall outlast signing out.
const OFF = "keys=off";
const sheet = document.querySelector("[data-keys]");
const choice = sheet?.querySelector("[data-letters]");
const off = () => document.cookie.split("; ").includes(OFF);

// Whether a key is one of those, and they are off.
export const unwanted = ({ key }) => key.length === 1 && key !== " " && off();

if (choice) choice.checked = !off();
choice?.addEventListener("change", () => {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${OFF}; path=/; max-age=${choice.checked ? 0 : 31536000}; samesite=lax${secure}`;
});
document.querySelectorAll("[data-show-keys]").forEach((button) => button.addEventListener("click", () => sheet.showModal()));
