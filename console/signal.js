// Sends a run a signal by hand: what it waits for in the place of whoever has not told it.
import { useState } from "preact/hooks";
import { ask } from "./api.js";
import { Buttons, Modal, Refused, useKey, useWork } from "./dialogs.js";
import { html } from "./parts.js";
import { isBulk } from "./run_model.js";
import { isOver } from "./words.js";

const NAME_BYTES = 128; // as the server takes

export const canSignal = (run) => !isOver(run.state) && run.state !== "unreadable" && !isBulk(run);

// The names of the signals that the run waits for now: what it says first, and what is no open question before those.
export function awaitedBy(run) {
  const waits = (run.steps ?? []).filter((step) => step.signal && step.state === "waiting").map((step) => step.signal);
  const asked = new Set((run.questions ?? []).filter((question) => question.state === "open").map((q) => q.signal));
  const all = [...new Set([run.why?.signal, ...waits].filter(Boolean))];
  return [...all.filter((name) => !asked.has(name)), ...all.filter((name) => asked.has(name))];
}

export function SignalDialog({ run, close, changed, tell }) {
  const awaited = awaitedBy(run), [fields, set] = useState({ name: awaited[0] ?? "", value: "" });
  const change = (name) => (e) => set({ ...fields, [name]: e.currentTarget.value });
  const key = useKey(fields.name, fields.value);
  const work = useWork(run.runId, async () => {
    const path = `_sw/runs/${encodeURIComponent(run.runId)}/signals/${encodeURIComponent(fields.name)}`;
    await ask("POST", path, fields.value || undefined, { key }); // the server says what is wrong with the value
    tell("The run has the signal.");
    changed();
    close();
  }, changed);
  return html`
    <${Modal} title="Send this run a signal" close=${close}>
      <form onSubmit=${work.start}>
        <p class="soft"><code>${run.runId}</code> ${run.endpoint}</p>
        <p>${awaited.length > 0
          ? html`It waits for ${awaited.map((name, i) => html`${i > 0 ? ", " : ""}<strong>${name}</strong>`)}.`
          : "It waits for no signal now: what is sent is kept until it does, or ends."}</p>
        <label class="field"><span>name</span>
          <input id="signal-name" required maxlength=${NAME_BYTES} spellcheck=${false} autocomplete="off"
            value=${fields.name} onInput=${change("name")} /></label>
        <label class="field"><span>value (JSON; nothing is null)</span>
          <textarea id="signal-value" rows="4" spellcheck=${false} value=${fields.value}
            onInput=${change("value")}></textarea></label>
        <${Refused} ...${work} />
        <${Buttons} label="Send" busy=${work.busy} close=${close} />
      </form>
    <//>`;
}
