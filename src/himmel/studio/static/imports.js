// How far an import is, asked every second while one is under way and somebody looks.
const PAUSE = 1000; // milliseconds

async function look() {
  const shown = document.querySelector('[data-import="open"]');
  if (!shown) return;
  if (!document.hidden) {
    try {
      const answer = await fetch("/account/import", { headers: { accept: "text/html" } });
      const news = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-import]");
      if (news) shown.replaceWith(document.adoptNode(news));
    } catch { /* it is asked again */ }
  }
  setTimeout(look, PAUSE);
}

look();
