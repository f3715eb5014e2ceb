// What goes wrong, grouped: by endpoint, step and the beginning of the message, with digits masked. One button for all of a kind.
import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.js";
import { BulkDialog } from "./bulk.js";
import { Link, Time, Trouble, html, useAnswer, useFocus } from "./parts.js";
import { count } from "./words.js";

const LOOK_MS = 5000, SHOWN = 200;

// What finds the runs of a group, and no others: the server compares as it has grouped.
export const filtersOf = ({ endpoint, step = "", error }) => ({ endpoint, state: "failed", step, kind: error });

function Group({ group, resume }) {
  return html`
    <tr><td class="message"><code>${group.error}</code></td>
      <td>${group.endpoint}</td><td>${group.step ?? ""}</td>
      <td class="number"><${Link} to=${{ filters: filtersOf(group) }}>${count(group.runs)}<//></td>
      <td><${Time} at=${group.first} /></td><td><${Time} at=${group.last} /></td>
      <td class="row-actions"><${Link} to=${{ run: group.example }}>example<//>
        <button type="button" class="resume-all" onClick=${() => resume(group)}>Resume all …</button></td></tr>`;
}

export function ErrorsView({ onRefusal }) {
  const { value, error } = useAnswer((signal) => ask("GET", `_sw/errors?limit=${SHOWN}`, undefined, { signal }), LOOK_MS, []);
  const title = useFocus(), [open, setOpen] = useState(null);
  useEffect(() => { if (error) onRefusal(error); }, [error]);
  const groups = value?.errors ?? [];
  return html`
    <section class="errors-page"><h1 ref=${title} tabIndex=${-1}>Errors</h1>
      <${Trouble} error=${error} />
      ${value?.since && html`<p class="soft">Of the newest ${count(value.runs)} runs that have failed, since <${Time} at=${value.since} />.</p>`}
      ${value?.more && html`<p class="soft">The ${count(SHOWN)} kinds that came last are shown; there are more.</p>`}
      ${value && groups.length === 0 && html`<p class="empty">No run has failed.</p>`}
      ${groups.length > 0 && html`<div class="wide-table card" tabIndex=${0} role="region" aria-label="errors"><table class="errors">
        <thead><tr><th scope="col">error</th><th scope="col">endpoint</th><th scope="col">step</th>
          <th scope="col" class="number">runs</th><th scope="col">first</th><th scope="col">last</th>
          <th scope="col"><span class="unseen">actions</span></th></tr></thead>
        <tbody>${groups.map((group) => html`<${Group} key=${`${group.endpoint} ${group.step} ${group.error}`} group=${group}
          resume=${setOpen} />`)}</tbody></table></div>`}
      ${open && html`<${BulkDialog} action="resume" title="All runs that failed alike" filters=${filtersOf(open)} close=${() => setOpen(null)} />`}
    </section>`;
}
