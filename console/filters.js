// What a list shows, as the URL says it.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./api.js";
import { html } from "./parts.js";
import { go } from "./place.js";
import { STATES } from "./words.js";

// The endpoints to choose from, by those that the server has.
let endpoints = null;
const knownEndpoints = () => (endpoints ??= ask("GET", "_sw/endpoints")
  .then((a) => a.endpoints.filter((e) => e.kind !== "plain").map((e) => e.endpoint), () => { endpoints = null; return []; }));

const TYPING_MS = 350;
const isoOf = (local) => (local ? new Date(local).toISOString() : "");
function localOf(iso) {
  const at = new Date(/^\d+$/.test(iso ?? "") ? Number(iso) : (iso ?? ""));
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

function StateChips({ chosen, set }) {
  const toggle = (state) => set(STATES.filter((s) => chosen.includes(s) !== (s === state)).join(","));
  return html`
    <fieldset class="chips"><legend class="unseen">states</legend>
      ${STATES.map((state) => html`
        <label class=${`chip ${state}`}><input type="checkbox" checked=${chosen.includes(state)}
          onChange=${() => toggle(state)} /><span>${state}</span></label>`)}
    </fieldset>`;
}

function Field({ name, label, filters, set, isTyped, hidden, ...rest }) {
  const value = filters[name] ?? "", [text, setText] = useState(value);
  useEffect(() => { if (!isTyped(name)) setText((old) => (old.trim() === value ? old : value)); }, [value]);
  const type = (e) => { setText(e.currentTarget.value); set(name, e.currentTarget.value); };
  return html`
    <label class="field"><span class=${hidden ? "unseen" : ""}>${label}</span>
      <input id=${`filter-${name}`} name=${name} type="search" value=${text} autocomplete="off" spellcheck=${false}
        onInput=${type} ...${rest} /></label>`;
}

function Day({ name, label, filters, set }) {
  return html`
    <label class="field"><span>${label}</span>
      <input id=${`filter-${name}`} type="datetime-local" step="1" value=${localOf(filters[name])}
        onChange=${(e) => set(name, isoOf(e.currentTarget.value), 0)} /></label>`;
}

// What the view of errors filters by: nobody types it.
function Failure({ filters }) {
  const without = (name) => { const { [name]: _, ...rest } = filters; go({ filters: rest }); };
  const chip = (name, text) => (filters[name] === undefined ? null : html`
    <button type="button" class="filter" id=${`filter-${name}`} onClick=${() => without(name)}>
      <span>${text}</span> <span aria-hidden="true">×</span><span class="unseen">, remove this filter</span></button>`);
  return html`
    ${chip("step", filters.step ? `failed in ${filters.step}` : "failed outside every step")}
    ${chip("kind", `error: ${filters.kind || "without a message"}`)}`;
}

export function Filters({ filters }) {
  const [names, setNames] = useState([]), typing = useRef(null), typed = useRef({}), latest = useRef(filters);
  const [round, setRound] = useState(0); // of fields: what was typed and is in no URL yet goes with the filters
  latest.current = filters;
  const forget = () => { clearTimeout(typing.current); typed.current = {}; };
  useEffect(() => { knownEndpoints().then(setNames); return forget; }, []);
  // What is typed goes into the URL when the keys rest; each of these is no step of the browser's history.
  const set = (name, value, wait = TYPING_MS) => {
    clearTimeout(typing.current);
    typed.current[name] = value.trim();
    typing.current = setTimeout(() => {
      const wanted = { ...latest.current, ...typed.current };
      forget();
      go({ filters: wanted }, { replace: wait > 0 });
    }, wait);
  };
  const clear = () => { forget(); setRound(round + 1); go({}); };
  const common = { filters, set, isTyped: (name) => name in typed.current };
  const more = ["version", "label", "id", "error", "from", "to"].some((name) => filters[name]);
  const states = (filters.state ?? "").split(",").filter(Boolean), any = Object.keys(filters).length > 0;
  return html`
    <form key=${round} class="filters" role="search" aria-label="filter the runs" onSubmit=${(e) => e.preventDefault()}>
      <${StateChips} chosen=${states} set=${(value) => set("state", value, 0)} />
      <${Field} name="endpoint" label="endpoint" ...${common} list="endpoints" hidden placeholder="endpoint" />
      <datalist id="endpoints">${names.map((name) => html`<option value=${name} />`)}</datalist>
      <${Failure} filters=${filters} />
      ${any && html`<button type="button" class="plain" onClick=${clear}>clear filters</button>`}
      <details class="more" open=${more}><summary>more filters</summary><div class="fields">
        <${Field} name="error" label="text in the error" ...${common} />
        <${Field} name="id" label="run id begins with" ...${common} />
        <${Field} name="label" label="label" ...${common} placeholder="name:value" />
        <${Field} name="version" label="version" ...${common} />
        <${Day} name="from" label="began from" ...${common} />
        <${Day} name="to" label="began until" ...${common} />
      </div></details>
    </form>`;
}
