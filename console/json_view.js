// A JSON value as a tree that folds, or as text. All of it is text: nothing in a value is ever taken for markup.
import { useState } from "preact/hooks";
import { isDigits } from "./json.js";
import { copy, html } from "./parts.js";

const MEMBERS = 50, TEXT = 400, WHOLE_TEXT = 200000;

const isTree = (value) => value !== null && typeof value === "object" && !isDigits(value);
const kindOf = (value) => (value === null ? "null" : isDigits(value) ? "number" : typeof value);
const sizeOf = (value) => (Array.isArray(value) ? `[${value.length}]` : `{${Object.keys(value).length}}`);

function Scalar({ value }) {
  const [all, setAll] = useState(false), text = JSON.stringify(value);
  if (text === undefined) return html`<span class="json-null">nothing</span>`;
  const isLong = text.length > TEXT && !all;
  return html`<span class=${`json-${kindOf(value)}`}>${isLong ? text.slice(0, TEXT) : text}</span>
    ${isLong && html`<button type="button" class="tiny" onClick=${() => setAll(true)}>
      … ${text.length - TEXT} more characters</button>`}`;
}

function Members({ value, depth }) {
  const [shown, setShown] = useState(MEMBERS), entries = Object.entries(value);
  return html`<ul>
    ${entries.slice(0, shown).map(([name, member]) => html`<li key=${name}><${Node} name=${name} value=${member}
      depth=${depth + 1} /></li>`)}
    ${entries.length > shown && html`<li><button type="button" class="tiny" onClick=${() => setShown(shown + 20 * MEMBERS)}>
      ${entries.length - shown} more</button></li>`}</ul>`;
}

function Node({ name, value, depth }) {
  const [open, setOpen] = useState(depth < 2 && (!isTree(value) || Object.keys(value).length <= MEMBERS));
  const label = name === undefined ? null : html`<span class="json-name">${name}</span>: `;
  if (!isTree(value) || Object.keys(value).length === 0)
    return html`<span class="json-leaf">${label}${isTree(value) ? (Array.isArray(value) ? "[]" : "{}")
      : html`<${Scalar} value=${value} />`}</span>`;
  return html`
    <details open=${open} onToggle=${(e) => setOpen(e.currentTarget.open)}>
      <summary>${label}<span class="soft">${sizeOf(value)}</span></summary>
      ${open && html`<${Members} value=${value} depth=${depth} />`}
    </details>`;
}

function Text({ value }) {
  const [all, setAll] = useState(false), text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const isLong = text.length > WHOLE_TEXT && !all;
  return html`<pre tabIndex=${0}>${isLong ? text.slice(0, WHOLE_TEXT) : text}</pre>
    ${isLong && html`<button type="button" class="tiny" onClick=${() => setAll(true)}>
      show all ${text.length} characters</button>`}`;
}

// `title` names what the value is; `value` undefined: there is none.
export function JsonView({ title, value, id }) {
  const [asText, setAsText] = useState(typeof value === "string" && value.includes("\n"));
  if (value === undefined) return null;
  const other = asText ? "as a tree" : "as text";
  return html`
    <section class="json" id=${id} aria-label=${title}>
      <div class="json-head"><h3>${title}</h3>
        <button type="button" class="tiny" onClick=${() => setAsText(!asText)}>${other}</button>
        <button type="button" class="tiny" onClick=${() => copy(JSON.stringify(value, null, 2))}>copy</button></div>
      ${asText ? html`<${Text} value=${value} />` : html`<div class="tree"><${Node} value=${value} depth=${0} /></div>`}
    </section>`;
}
