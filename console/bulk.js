// Doing one thing to many runs: to those that are chosen, a few at a time from here, or to all that fit the filters, by
// a durable run of the server's own (POST /_sw/bulk).
import { useState } from "preact/hooks";
import { ask } from "./api.js";
import { Buttons, Modal, Refused, useKey, useWork } from "./dialogs.js";
import { Time, html } from "./parts.js";
import { go } from "./place.js";
import { STEERING, steer } from "./steering.js";
import { count, plural } from "./words.js";

const AT_ONCE = 4, REFUSALS_SHOWN = 20;

// ---- The chosen ones ----

async function steerAll(name, runs, step, isLeft) {
  const rest = [...runs], outcome = { done: 0, refused: [] };
  const worker = async () => {
    for (let run; !isLeft() && (run = rest.shift());) {
      try {
        await steer(name, run);
        outcome.done++;
      } catch (error) {
        outcome.refused.push({ run, error });
      }
      step({ ...outcome });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return outcome;
}

function Outcome({ outcome, total }) {
  if (!outcome) return null;
  return html`
    <div role="status"><progress max=${total} value=${outcome.done + outcome.refused.length} aria-label="progress" />
      <p>${count(outcome.done)} of ${plural(total, "run")} done${outcome.refused.length > 0
        ? `, ${count(outcome.refused.length)} refused` : ""}.</p></div>
    ${outcome.refused.length > 0 && html`<ul class="refusals">${outcome.refused.slice(0, REFUSALS_SHOWN).map(
      ({ run, error }) => html`<li><code>${run.runId}</code>: ${error.message}</li>`)}</ul>`}`;
}

function ChosenDialog({ name, runs: chosen, close, changed }) {
  const [runs] = useState(chosen); // as they were when somebody decided: the list goes on beneath
  const action = STEERING[name], fit = runs.filter((run) => action.when(run.state)), skipped = runs.length - fit.length;
  const [outcome, setOutcome] = useState(null);
  const isOver = outcome && outcome.done + outcome.refused.length === fit.length;
  const work = useWork(null, async (isLeft) => {
    setOutcome({ done: 0, refused: [] });
    await steerAll(name, fit, setOutcome, isLeft);
    changed();
  });
  return html`
    <${Modal} title=${`${action.label} ${plural(fit.length, "run")}?`} close=${close}>
      <form onSubmit=${isOver ? (e) => { e.preventDefault(); close(); } : work.start}>
        ${action.says({}).filter(Boolean).map((text) => html`<p>Of each: ${text}</p>`)}
        ${skipped > 0 && html`<p>${plural(skipped, "chosen run")} ${skipped === 1 ? "is" : "are"} left out: this is not
          for${" "}
          ${[...new Set(runs.filter((run) => !fit.includes(run)).map((run) => run.state))].join(", ")} runs.</p>`}
        <${Outcome} outcome=${outcome} total=${fit.length} />
        <${Refused} error=${work.error} />
        <${Buttons} label=${isOver ? "Done" : `${action.label} ${plural(fit.length, "run")}`} grave=${action.isGrave}
          busy=${work.busy} disabled=${fit.length === 0} close=${close} />
      </form>
    <//>`;
}

// ---- All that fit, by a run of the server's ----

const SAID = { kind: "error", error: "text in the error" }; // as the views of errors and of filters name them
const sayFilter = ([name, value]) => `${SAID[name] ?? name}: ${value === "" ? "none" : value}`;

function Found({ found, max }) {
  const more = found.matches >= max ? "; more would, of which nothing is done" : ", and more that were not counted";
  return html`
    <div role="status"><p id="bulk-found"><strong>${plural(found.matches, "run")}</strong>
      ${" "}${found.matches === 1 ? "fits" : "fit"}${found.more ? more : ""}, as of <${Time} at=${found.asOf} />.
      ${" "}Nothing is done to runs that began later.</p>
      <ul class="sample">${found.sample.slice(0, 5).map((run) => html`<li><code>${run}</code></li>`)}</ul></div>`;
}

// `action`: what is proposed. What is done is done as of the moment that the dry run has shown.
export function BulkDialog({ filters, close, action = "cancel", title = "All runs that fit the filters" }) {
  const [wish, set] = useState({ action, perSecond: 50, max: 10000 }), [answer, setAnswer] = useState({});
  const [filter] = useState(filters); // as it was when somebody decided
  const found = answer.of === wish ? answer.found : null; // an answer to what was wished before says nothing
  const change = (more) => set({ ...wish, ...more }), key = useKey(wish, filter, found?.asOf);
  const work = useWork(null, async (isLeft) => {
    const begin = (more, how) => ask("POST", "_sw/bulk", { ...wish, filter, ...more }, how);
    if (!found) return setAnswer({ of: wish, found: await begin({ dryRun: true }) });
    const { runId } = await begin({ asOf: found.asOf, dryRun: false }, { key });
    if (isLeft()) return undefined;
    close();
    return go({ run: runId });
  });
  const number = (name, label) => html`
    <label class="field"><span>${label}</span><input id=${`bulk-${name}`} type="number" min="1" value=${wish[name]}
      onInput=${(e) => change({ [name]: Number(e.currentTarget.value) })} /></label>`;
  return html`
    <${Modal} title=${title} close=${close}>
      <form onSubmit=${work.start}>
        <label class="field"><span>do</span><select id="bulk-action" value=${wish.action}
          onChange=${(e) => change({ action: e.currentTarget.value })}>
          ${["cancel", "stop", "release", "resume"].map((name) => html`<option value=${name}>${name}</option>`)}
        </select></label>
        <ul class="criteria" aria-label="filters">${Object.entries(filter).map((of) => html`<li>${sayFilter(of)}</li>`)}
          ${Object.keys(filter).length === 0 && html`<li>all runs</li>`}</ul>
        <div class="fields">${number("perSecond", "runs a second")}${number("max", "at most")}</div>
        ${STEERING[wish.action].says({}).filter(Boolean).map((text) => html`<p>Of each: ${text}</p>`)}
        ${found && html`<${Found} found=${found} max=${wish.max} />`}
        <${Refused} error=${work.error} />
        <${Buttons} label=${found ? `${STEERING[wish.action].label} ${plural(found.matches, "run")}` : "See which"}
          grave=${Boolean(found)} busy=${work.busy} disabled=${found?.matches === 0} close=${close} />
      </form>
    <//>`;
}

// ---- The bar above the list ----

export function BulkBar({ list, chosen, none, filters }) {
  const [open, setOpen] = useState(null);
  const runs = [...chosen].map((id) => list.byId.get(id)).filter(Boolean), close = () => setOpen(null);
  const isFiltered = Object.keys(filters).length > 0;
  if (runs.length === 0 && !isFiltered) return null;
  const names = Object.keys(STEERING).filter((name) => runs.some((run) => STEERING[name].when(run.state)));
  return html`
    <div class="bulk" role="toolbar" aria-label="what to do with many runs">
      ${runs.length > 0 && html`<strong role="status">${plural(runs.length, "run")} chosen</strong>
        ${names.map((name) => html`<button type="button" class=${STEERING[name].isGrave ? "grave" : ""}
          onClick=${() => setOpen(name)}>${STEERING[name].label}</button>`)}
        <button type="button" class="plain" onClick=${none}>choose none</button>`}
      ${isFiltered && html`<button type="button" id="bulk-all" onClick=${() => setOpen("bulk")}>
        all that fit the filters …</button>`}
    </div>
    ${open === "bulk" && html`<${BulkDialog} filters=${filters} close=${close} />`}
    ${STEERING[open] && html`<${ChosenDialog} name=${open} runs=${runs} close=${close}
      changed=${() => list.refresh()} />`}`;
}
