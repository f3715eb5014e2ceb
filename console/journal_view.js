// The raw journal of a run: each entry as the server has it. A branch has no time.
import { useState } from "preact/hooks";
import { JsonView } from "./json_view.js";
import { Time, html } from "./parts.js";
import { duration, plural } from "./words.js";

const SHOWN = 300;

// What an entry says, in one cell.
function noteOf(kind, entry) {
  const { error, by, reason, status, attempt, member, givenUp, child, to } = entry;
  if (kind === "called" && !error) return `${entry.function}: run ${child}`;
  if (kind === "won") return `member ${member}, ${plural(givenUp, "other")} given up`;
  return error ?? by ?? reason ?? status ?? to ?? child ?? (attempt > 1 ? `attempt ${attempt}` : "");
}

function Entry({ entry, number, since }) {
  const [open, setOpen] = useState(false), { kind, at, id, occurrence, ...rest } = entry;
  const has = Object.keys(rest).length > 0, name = id ?? (kind === "signal" ? rest.signal : "");
  const label = occurrence ? `${name}:${occurrence}` : name;
  return html`
    <tr class=${kind === "step failed" || kind === "crashed" ? "bad-row" : ""}>
      <td class="number">${number}</td><td>${at > 0 && html`<${Time} at=${at} />`}</td>
      <td class="number">${at > 0 && `+${duration(Math.max(0, at - since))}`}</td>
      <th scope="row">${has ? html`<button type="button" class="link" aria-expanded=${open}
        onClick=${() => setOpen(!open)}>${kind}</button>` : kind}</th>
      <td>${label}</td><td class="note">${noteOf(kind, rest)}</td></tr>
    ${open && html`<tr><td></td><td colspan="5"><${JsonView} title=${`entry ${number}`} value=${rest} /></td></tr>`}`;
}

export function JournalView({ run }) {
  const [shown, setShown] = useState(SHOWN), entries = run.entries ?? [];
  return html`
    <div class="card journal">
      <table><caption class="unseen">entries of the journal</caption>
        <thead><tr><th scope="col" class="number">#</th><th scope="col">at</th><th scope="col" class="number">after</th>
          <th scope="col">entry</th><th scope="col">of</th><th scope="col">more</th></tr></thead>
        <tbody>${entries.slice(0, shown).map((entry, i) => html`
          <${Entry} key=${i} entry=${entry} number=${i} since=${run.startedAt} />`)}</tbody>
      </table>
      ${entries.length > shown && html`<button type="button" onClick=${() => setShown(shown * 4)}>
        ${plural(entries.length - shown, "more entry", "more entries")}</button>`}
    </div>`;
}
