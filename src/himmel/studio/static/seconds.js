// Lengths of time as the page's language says them.
export const inSeconds = (count) => document.documentElement.dataset.seconds.replace("#", count);
