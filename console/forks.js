// The runs that were forked from one, the newest first: as many as its page names, and older ones when they are asked for.
import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.js";
import { Link, State, html } from "./parts.js";

// Each once, though a page that was read later may name what is known already: {forks, olderForks}.
export function joinForks(pages) {
  const forks = new Map();
  for (const fork of pages.flatMap((page) => page.forks ?? [])) if (!forks.has(fork.runId)) forks.set(fork.runId, fork);
  return { forks: [...forks.values()], olderForks: pages.at(-1).olderForks };
}

export const hasForks = (run) => run.forksUnread || run.olderForks || run.forks?.length > 0;

export function Forks({ run, tell }) {
  const [older, setOlder] = useState([]);
  useEffect(() => setOlder([]), [run.runId]);
  if (run.forksUnread) return run.forksUnread;
  const { forks, olderForks } = joinForks([run, ...older]);
  const path = `_sw/runs/${encodeURIComponent(run.runId)}?forks_before=${encodeURIComponent(olderForks)}`;
  const more = () => ask("GET", path).then((page) => setOlder([...older, page]), (error) => tell(error.message));
  return html`
    <ul id="forks">${forks.map((fork) => html`<li key=${fork.runId}>
      <${Link} to=${{ run: fork.runId }}><code>${fork.runId}</code><//> <${State} state=${fork.state} /></li>`)}</ul>
    ${olderForks && html`<button type="button" id="older-forks" onClick=${more}>older</button>`}`;
}
