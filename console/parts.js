// Small things that several views draw.
import { h } from "preact";
import htm from "htm";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { follow, urlOf } from "./place.js";
import { serverNow } from "./api.js";
import { exactTime, time } from "./words.js";

export const html = htm.bind(h);

export const Link = ({ to, children, ...rest }) =>
  html`<a href=${urlOf(to)} onClick=${(e) => follow(e, to)} ...${rest}>${children}</a>`;

export const State = ({ state }) => html`<span class=${`state ${state}`}>${state}</span>`;

export const Time = ({ at }) => (at == null ? null
  : html`<time dateTime=${exactTime(at)} title=${exactTime(at)}>${time(at)}</time>`);

export const Trouble = ({ error, children }) => (error
  ? html`<p class="trouble" role="alert">${error.message ?? String(error)} ${children}</p>` : null);

// Paints again each `ms` while the tab is seen; gives the server's time.
export function useClock(ms) {
  const [, tick] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    if (!ms) return undefined;
    const timer = setInterval(() => { if (!document.hidden) tick(); }, ms);
    return () => clearInterval(timer);
  }, [ms]);
  return serverNow();
}

// Calls `work(signal)` now, each `ms` after it has ended while the tab is seen, and when the tab is seen again.
export function useRepeat(work, ms, keys) {
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => {
    const over = new AbortController();
    let timer = null, isAtWork = false;
    const turn = async () => {
      clearTimeout(timer);
      if (isAtWork || over.signal.aborted) return;
      isAtWork = true;
      if (!document.hidden) await latest.current(over.signal);
      isAtWork = false;
      if (!over.signal.aborted && ms) timer = setTimeout(turn, ms);
    };
    const seen = () => { if (!document.hidden) turn(); };
    document.addEventListener("visibilitychange", seen);
    turn();
    return () => {
      over.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [ms, ...keys]);
}

// What an asynchronous `load(signal)` gives, with its error: {value, error, again()}.
export function useAnswer(load, ms, keys) {
  const [answer, set] = useState({ value: null, error: null }), [round, again] = useReducer((n) => n + 1, 0);
  useEffect(() => set({ value: null, error: null }), keys);
  useRepeat(async (signal) => {
    try {
      const value = await load(signal);
      if (!signal.aborted) set({ value, error: null });
    } catch (error) {
      if (!signal.aborted && error.name !== "AbortError") set((old) => ({ value: old.value, error }));
    }
  }, ms, [...keys, round]);
  return { ...answer, again };
}

// Puts the focus on what this ref is given to, when the view is entered.
export function useFocus() {
  const ref = useRef(null);
  useEffect(() => ref.current?.focus({ preventScroll: true }), []);
  return ref;
}

export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text }); // http of another machine has no clipboard
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// Offers the text as a file. Its type is none that a browser would show.
export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
