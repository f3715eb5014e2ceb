// The researches that this browser began or opened: id, title, links. One key of localStorage each, so that two tabs
// never overwrite each other's. What a tab shows is said by its URL alone.

const PREFIX = "stepwell-research/", MOST = 100;

export function list() {
  const all = [];
  try {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i);
      if (!key.startsWith(PREFIX)) continue;
      const entry = find(key.slice(PREFIX.length));
      if (entry) all.push(entry);
    }
  } catch { /* a browser that keeps nothing: there is no history */ }
  return all.sort((a, b) => b.at - a.at);
}

export function find(id) {
  try {
    const entry = JSON.parse(localStorage.getItem(PREFIX + id));
    return entry?.id === id && typeof entry.read === "string" ? entry : null;
  } catch {
    return null;
  }
}

// Adds what is known now to the entry: { id, read, control, title, at, state, endedAt }.
export function keep(id, known) {
  try {
    localStorage.setItem(PREFIX + id, JSON.stringify({ at: Date.now(), title: "", ...find(id), ...known, id }));
    for (const old of list().slice(MOST)) forget(old.id);
  } catch { /* full, or forbidden: the URL has all that is needed */ }
}

export function forget(id) {
  try { localStorage.removeItem(PREFIX + id); } catch { /* nothing was kept */ }
}
