// Asks before something is done to a run, says what that will be, and tells how it went; also that somebody else was
// quicker.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, newKey } from "./api.js";
import { html, useLeft } from "./parts.js";
import { STEERING, doneText, lastSteering, steer } from "./steering.js";
import { plural } from "./words.js";

// A dialog over the page, which has the focus until `close()`.
export function Modal({ title, close, children, wide }) {
  const ref = useRef(null);
  useEffect(() => {
    const back = document.activeElement;
    ref.current.showModal();
    return () => { if (back?.isConnected) back.focus(); };
  }, []);
  const isOutside = (e) => e.target === ref.current;
  return html`
    <dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby="dialog-title"
      onCancel=${(e) => { e.preventDefault(); close(); }} onMouseDown=${(e) => { if (isOutside(e)) close(); }}>
      <div class="dialog"><h2 id="dialog-title">${title}</h2>${children}</div>
    </dialog>`;
}

export const Buttons = ({ label, grave, busy, disabled, close }) => html`
  <div class="buttons">
    <button type="button" onClick=${close}>Close</button>
    <button type="submit" class=${grave ? "grave" : "primary"} disabled=${busy || disabled}>
      ${busy ? "…" : label}</button>
  </div>`;

// What the server has refused; of a conflict also what has become of the run meanwhile.
export function Refused({ error, now }) {
  if (!error) return null;
  return html`
    <div class="trouble" role="alert"><p>${error.status === 409 ? "It was not done: " : ""}${error.message}</p>
      ${now && html`<p id="what-happened">${now}</p>`}</div>`;
}

// The name of one request, however often it is sent: another one as soon as what it says has changed.
export function useKey(...says) {
  const ref = useRef({}), text = JSON.stringify(says);
  if (ref.current.text !== text) ref.current = { text, key: newKey() };
  return ref.current.key;
}

// Does the work of a dialog's button once at a time: {busy, error, now, start(event)}. `work(isLeft)`: a dialog that
// was closed meanwhile takes nobody anywhere.
export function useWork(id, work, changed) {
  const isLeft = useLeft(), [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState({ error: null, now: null });
  const start = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setRefused({ error: null, now: null });
    try {
      await work(isLeft);
    } catch (error) {
      const look = () => ask("GET", `_sw/runs/${encodeURIComponent(id)}`).catch(() => null);
      const run = id && error.status === 409 ? await look() : null;
      setRefused({ error, now: run && lastSteering(run) });
      changed?.();
    }
    setBusy(false);
  };
  return { busy, ...refused, start };
}

const WHY_BYTES = 256; // as the server takes
function checkWhy(field) {
  const more = new TextEncoder().encode(field.value).length - WHY_BYTES;
  field.setCustomValidity(more > 0 ? `${plural(more, "byte")} too long` : "");
}

function Extra({ asks, fields, set }) {
  if (asks === "why") return html`
    <label class="field"><span>reason, for the journal (optional)</span>
      <input id="steer-why" value=${fields.why ?? ""} onInput=${(e) => {
        checkWhy(e.currentTarget);
        set({ ...fields, why: e.currentTarget.value });
      }} /></label>`;
  if (asks === "timeout") return html`
    <label class="field"><span>time limit in seconds (optional; else the endpoint's)</span>
      <input id="steer-timeout" type="number" min="1" value=${fields.timeout ?? ""}
        onInput=${(e) => set({ ...fields, timeout: Number(e.currentTarget.value) })} /></label>`;
  return null;
}

export function SteerDialog({ name, run, close, changed, tell }) {
  const action = STEERING[name], [fields, set] = useState({});
  const work = useWork(run.runId, async () => {
    tell(doneText(name, await steer(name, run, fields)));
    changed();
    close();
  }, changed);
  return html`
    <${Modal} title=${`${action.label} this run?`} close=${close}>
      <form onSubmit=${work.start}>
        <p class="soft"><code>${run.runId}</code> ${run.endpoint}</p>
        ${action.says(run).filter(Boolean).map((text) => html`<p>${text}</p>`)}
        <${Extra} asks=${action.asks} fields=${fields} set=${set} />
        <${Refused} ...${work} />
        <${Buttons} label=${`${action.label} the run`} grave=${action.isGrave} busy=${work.busy} close=${close} />
      </form>
    <//>`;
}
