// What a run asks of people, with a form for each question that is open: an operator's answer counts as that of whoever
// has the question's URL, and the first one counts. Beside it the signals that the run has sent to others.
import { useState } from "preact/hooks";
import { ask } from "./api.js";
import { Refused, useWork } from "./dialogs.js";
import { Link, State, Time, html } from "./parts.js";
import { inWords, plural, stepLabel } from "./words.js";

const SENT_MAX = 50; // rows: a run may send thousands

const titleOf = (question) => question.text ?? question.signal;
const pathOf = (run, { signal, path }) =>
  `_sw/runs/${encodeURIComponent(run.runId)}/signals/${encodeURIComponent(signal)}?question=${path}`;

// ---- Questions ----

const Choices = ({ question, chosen, choose }) => html`
  <div class="choices">${question.choices.map((choice) => html`<label class="check" key=${choice}>
    <input type="radio" name=${question.path} checked=${chosen === choice}
      onChange=${() => choose(choice)} />${choice}</label>`)}</div>`;

// Text as the question's own page sends it, or any JSON.
function Free({ id, fields, set }) {
  return html`
    <label class="field"><span>${fields.isJson ? "answer (JSON)" : "answer"}</span>
      <textarea id=${id} rows="2" required value=${fields.text}
        onInput=${(e) => set({ ...fields, text: e.currentTarget.value })}></textarea></label>
    <label class="check"><input type="checkbox" checked=${fields.isJson}
      onChange=${(e) => set({ ...fields, isJson: e.currentTarget.checked })} />as JSON</label>`;
}

function Open({ run, question, changed, tell }) {
  const [chosen, choose] = useState(null), [fields, set] = useState({ text: "", isJson: false });
  const [said, setSaid] = useState(null);
  const hasChoices = question.choices?.length > 0;
  const work = useWork(run.runId, async () => {
    const answer = !hasChoices && fields.isJson ? fields.text : JSON.stringify(hasChoices ? chosen : fields.text);
    const { status, decision } = await ask("POST", pathOf(run, question), answer);
    tell(status === "decided" ? "It had been answered before." : "The answer was taken.");
    setSaid({ decision });
    changed();
  }, changed);
  // The run has yet to take it.
  if (said) return html`<p>${titleOf(question)} <strong>${inWords(said.decision)}</strong></p>`;
  return html`
    <form onSubmit=${work.start} aria-label=${`answer to ${stepLabel(question)}`}>
      <fieldset><legend>${titleOf(question)}</legend>
        ${hasChoices ? html`<${Choices} question=${question} chosen=${chosen} choose=${choose} />`
          : html`<${Free} id=${`answer-${question.path}`} fields=${fields} set=${set} />`}
      </fieldset>
      <${Refused} ...${work} />
      <button type="submit" class="primary" disabled=${work.busy || (hasChoices && chosen === null)}>Answer</button>
      <span class="soft">asked <${Time} at=${question.askedAt} />; the first answer counts</span>
    </form>`;
}

const Closed = ({ question }) => html`
  <p><span class="was-asked" title=${titleOf(question)}>${titleOf(question)}</span> <${State} state=${question.state} />
    ${question.decision !== undefined && html` <strong>${inWords(question.decision)}</strong>`}
    <span class="soft"> <${Time} at=${question.endedAt} /></span></p>`;

export function Questions({ run, changed, tell }) {
  const all = run.questions ?? [];
  if (all.length === 0) return null;
  const isOpen = (question) => question.state === "open";
  return html`
    <section class="card asked" id="questions"><h2>Asked of people</h2>
      <ul>${[...all.filter(isOpen), ...all.filter((q) => !isOpen(q))].map((question) => html`<li key=${question.path}>
        ${isOpen(question) ? html`<${Open} run=${run} question=${question} changed=${changed} tell=${tell} />`
          : html`<${Closed} question=${question} />`}</li>`)}</ul>
      ${run.questionsLeftOut > 0 && html`<p class="soft">and ${plural(run.questionsLeftOut, "older question")}</p>`}
    </section>`;
}

// ---- Signals to other runs ----

export function Sent({ run }) {
  const all = run.steps.filter((step) => step.sent), shown = all.slice(-SENT_MAX);
  if (all.length === 0) return null;
  return html`
    <section class="card asked" id="sent"><h2>Signals sent</h2>
      <ul tabIndex=${0} aria-label="signals sent">${shown.map((step) => html`<li key=${step.path}>
        <${Time} at=${step.begunAt} /> <strong>${step.sent.signal}</strong> to
        ${" "}<${Link} to=${{ run: step.sent.to }}><code>${step.sent.to}</code><//>
        ${!step.sent.found && html` <span class="bad">no such run, or it had ended</span>`}</li>`)}</ul>
      ${all.length > shown.length && html`<p class="soft">and ${plural(all.length - shown.length, "older one")}:
        they are among the steps</p>`}
    </section>`;
}
