// A fork: a new run that has what another one had done before a step. First a dry run says what is copied and what is
// done again; nothing is done before that has been seen.
import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.js";
import { Buttons, Modal, Refused, useKey, useWork } from "./dialogs.js";
import { writeJson } from "./json.js";
import { html } from "./parts.js";
import { go } from "./place.js";
import { isOfFunction } from "./run_model.js";
import { plural, stepLabel } from "./words.js";

const REST_MS = 300; // after a key, before the server is asked

// What one of them is, unless it is a step.
function kindInWords({ kind, function: of, detached }) {
  if (kind === "call") return `call of ${of}${detached ? ", detached" : ""}`;
  return kind === "step" ? "" : kind;
}

function List({ title, steps, id }) {
  return html`
    <div class="steps-list"><h3>${title} <span class="soft">${plural(steps.length, "step")}</span></h3>
      <ul id=${id} tabIndex=${0} aria-label=${title}>${steps.map((step) => html`<li>${stepLabel(step)}
        <span class="soft">${kindInWords(step)}</span></li>`)}
      ${steps.length === 0 && html`<li class="soft">none</li>`}</ul></div>`;
}

// What the server says a fork would do: {plan, error}; nothing while it is asked.
function usePlan(path, wish) {
  const [answer, set] = useState({}), key = JSON.stringify(wish);
  useEffect(() => {
    const over = new AbortController();
    set({});
    const timer = setTimeout(() => ask("POST", path, { ...wish, dryRun: true }, over).then(
      (plan) => set({ plan }),
      (error) => { if (error.name !== "AbortError") set({ error }); }), REST_MS);
    return () => { clearTimeout(timer); over.abort(); };
  }, [path, key]);
  return answer;
}

// What the run was given: the whole of it as a text, if that is shown here.
function givenTo(run) {
  if (isOfFunction(run)) {
    const isHidden = Boolean(run.inputRedacted), isKnown = "input" in run && !isHidden;
    return { whole: isKnown ? writeJson(run.input) : undefined, isHidden, isThere: true };
  }
  const { request } = run, isHidden = Boolean(request?.bodyRedacted);
  return { whole: isHidden ? undefined : request?.body, isHidden, isThere: request?.bodyBytes > 0 };
}

export function ForkDialog({ run, from, close, tell }) {
  const [at, setAt] = useState(from ?? ""), [body, setBody] = useState(null);
  const path = `_sw/runs/${encodeURIComponent(run.runId)}/fork`;
  const wish = { from: at || null, ...(body === null ? {} : { body }) };
  const { plan, error } = usePlan(path, wish), key = useKey(wish);
  const work = useWork(run.runId, async (isLeft) => {
    const made = await ask("POST", path, { ...wish, dryRun: false }, { key });
    tell(`Forked: this is the new run, ${made.runId}.`);
    if (isLeft()) return;
    close();
    go({ run: made.runId });
  });
  const what = isOfFunction(run) ? "input" : "body", { whole, isHidden, isThere } = givenTo(run);
  const steps = run.steps.filter((step) => step.path);
  return html`
    <${Modal} title="Fork this run" close=${close} wide>
      <form onSubmit=${work.start}>
        <p>A new run begins with all that this one had finished before the step; this one stays as it is.</p>
        <label class="field"><span>do again from</span>
          <select id="fork-from" value=${at} onChange=${(e) => setAt(e.currentTarget.value)}>
            <option value="">the beginning: everything</option>
            ${steps.map((step) => html`<option value=${step.path}>${stepLabel(step)} (${step.state})</option>`)}
          </select></label>
        <label class="check"><input id="fork-change" type="checkbox" checked=${body !== null}
          onChange=${(e) => setBody(e.currentTarget.checked ? whole ?? "" : null)} />
          with another ${isOfFunction(run) ? "input" : "request body"}</label>
        ${body !== null && whole === undefined && isThere && html`<p class="soft" id="fork-unknown">The whole of it has
          to be written: ${isHidden ? `parts of the present ${what} are not shown here (--redact)`
            : `the present ${what} is not known here as it was sent`},
          and what is not written is not sent.</p>`}
        ${body !== null && html`<label class="field"><span>${isOfFunction(run) ? "input (JSON)" : "body"}</span>
          <textarea id="fork-body" rows="6" spellcheck=${false} value=${body}
            onInput=${(e) => setBody(e.currentTarget.value)}></textarea></label>`}
        <div class="plan" aria-live="polite">
          ${plan ? html`<${List} id="fork-again" title="Done again" steps=${plan.again} />
            <${List} id="fork-copied" title="Copied" steps=${plan.copied} />`
            : html`<p class="soft">${error ? "" : "Asking what this would do …"}</p>`}
        </div>
        <${Refused} error=${error ?? work.error} now=${work.now} />
        <${Buttons} label="Fork" busy=${work.busy} disabled=${!plan} close=${close} />
      </form>
    <//>`;
}
