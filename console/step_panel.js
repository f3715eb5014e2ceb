// What the server knows of one row of the waterfall: a step with its attempts and their calls, input and output; of a
// branch or group what it holds.
import { JsonView } from "./json_view.js";
import { html, Link, Time } from "./parts.js";
import { bytes, duration, plural, stepLabel } from "./words.js";

const Calls = ({ calls, leftOut, now }) => (calls?.length > 0 ? html`
  <table class="calls"><caption class="unseen">calls</caption>
    <thead><tr><th scope="col">call</th><th scope="col">answer</th><th scope="col">took</th>
      <th scope="col">size</th></tr></thead>
    <tbody>${calls.map((call) => html`<tr><td>${call.method} <span class="host">${call.host}</span></td>
      <td class=${call.error || call.status >= 400 ? "bad" : ""}>${call.status ?? ""} ${call.error ?? ""}${
        call.since ? "under way" : ""}${call.retryAfterMs == null ? ""
          : html` <span class="soft">asks for ${duration(call.retryAfterMs)}</span>`}</td>
      <td>${duration(call.since ? now - call.since : call.ms)}</td>
      <td>${call.bytes == null ? "" : bytes(call.bytes)}</td></tr>`)}</tbody></table>
  ${leftOut > 0 && html`<p class="soft">and ${plural(leftOut, "more call")}</p>`}` : null);

function Attempt({ attempt, now }) {
  const { error, retryAt, abandoned } = attempt;
  return html`
    <li class=${abandoned ? "" : error === undefined ? "ok" : "bad"}>
      <p><strong>attempt ${attempt.attempt}</strong> <${Time} at=${attempt.at} />, ${duration(attempt.durationMs)}
        ${abandoned ? ": abandoned, since another member of its group had won; it may have been done"
          : error === undefined ? ": succeeded" : ""}</p>
      ${error !== undefined && html`<pre class="error-text" tabIndex=${0} aria-label="error">${error}</pre>`}
      ${retryAt > 0 && html`<p class="soft">tried again from <${Time} at=${retryAt} /> on</p>`}
      <${Calls} calls=${attempt.calls} leftOut=${attempt.callsLeftOut} now=${now} />
    </li>`;
}

const UnderWay = ({ step, now }) => html`
  <li class="running"><p><strong>attempt ${step.now.attempt}</strong> <${Time} at=${step.now.since} />, at work for
    ${" "}${duration(now - step.now.since)}</p><${Calls} calls=${step.now.calls} now=${now} /></li>`;

function StepFacts({ step, now, fork }) {
  const attempts = step.attempts ?? [];
  return html`
    ${step.sleep && html`<p>A sleep until <${Time} at=${step.due} />${
      step.due > now ? `, ${duration(step.due - now)} more` : ""}.</p>`}
    ${step.signal && html`<p>A wait for the signal <strong>${step.signal}</strong>${
      step.due > 0 ? html`, until <${Time} at=${step.due} />` : ""}${
      step.by ? `, which ${step.by} has sent` : ""}.</p>`}
    ${step.function && html`<p>A call of the function <strong>${step.function}</strong>${
      step.detached ? ", for which nobody waits" : ""}: run${" "}
      <${Link} to=${{ run: step.child }}><code>${step.child}</code><//>.</p>`}
    ${step.sent && html`<p>The signal <strong>${step.sent.signal}</strong> to the run${" "}
      <${Link} to=${{ run: step.sent.to }}><code>${step.sent.to}</code><//>${
        step.sent.found ? "" : ": there is no such run, or it had ended"}.</p>`}
    ${step.function && step.error && html`<p class="bad">${step.error}</p>`}
    ${step.chunks > 0 && html`<p>${plural(step.chunks, "chunk")} streamed.</p>`}
    ${step.crashes > 0 && html`
      <p class="bad">The process has died during this step: ${plural(step.crashes, "time")}.</p>`}
    ${step.inputsDiffered > 0 && html`<p class="bad">Its result was used for another input than it was made from.</p>`}
    ${fork && html`<button type="button" id="fork-here" onClick=${() => fork(step.path)}>Fork from here …</button>`}
    ${(attempts.length > 0 || step.now) && html`<ol class="attempts">
      ${attempts.map((attempt) => html`<${Attempt} attempt=${attempt} now=${now} />`)}
      ${step.now && html`<${UnderWay} step=${step} now=${now} />`}</ol>`}
    <${JsonView} id="step-input" title="input" value=${step.input} />
    ${step.inputLeftOut > 0 && html`
      <p class="soft">The input has ${bytes(step.inputLeftOut)}, too long to be shown.</p>`}
    <${JsonView} id="step-output" title="output" value=${step.value} />`;
}

export function StepPanel({ row, now, fork }) {
  if (!row) return html`<aside class="panel" aria-label="step"><p class="soft">Choose a step to see its attempts, calls,
    input and output. The arrow keys go from step to step, ← and → fold, + and − zoom.</p></aside>`;
  return html`
    <aside class="panel" id="panel" aria-label="step">
      <h2>${row.step ? stepLabel(row.step) : row.label} <span class=${`state ${row.state}`}>${row.state}</span></h2>
      ${row.step ? html`<${StepFacts} step=${row.step} now=${now} fork=${row.step.path && fork} key=${row.key} />`
        : html`<p>${plural(row.children.length, "member")}, ${duration(row.to - row.from)}.</p>`}
    </aside>`;
}
