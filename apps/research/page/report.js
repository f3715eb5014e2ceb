// A report's Markdown as HTML that is safe to show, also while it is being written. Each [n] that is a source's number
// becomes a link to the source.
import DOMPurify from "dompurify";
import { Marked } from "marked";

const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
export const safeUrl = (url) => (/^https?:\/\/\S+$/i.test(url ?? "") ? url : null);

const citation = (sources) => ({
  name: "citation",
  level: "inline",
  start: (text) => text.match(/\[\d{1,4}\]/)?.index,
  tokenizer(text) {
    const match = /^\[(\d{1,4})\](?!\()/.exec(text), source = match && sources.get(Number(match[1]));
    if (source && safeUrl(source.url)) return { type: "citation", raw: match[0], n: match[1], source };
  },
  renderer: ({ n, source }) =>
    `<sup><a href="${escape(source.url)}" title="${escape(source.title || source.url)}" aria-label="Source ${n}: ${escape(source.title || source.url)}">[${n}]</a></sup>`,
});

// Links leave the page in a tab of their own; only http and https are followed.
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  if (!safeUrl(node.getAttribute("href"))) return node.removeAttribute("href");
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

const tags = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "a", "sup", "sub", "code", "pre", "strong", "em", "del", "ul", "ol", "li", "blockquote", "hr",
  "br", "table", "thead", "tbody", "tr", "th", "td"];

// `sources`: [{ n, title, url }].
export function render(markdown, sources = []) {
  const marked = new Marked({ gfm: true });
  marked.use({ extensions: [citation(new Map(sources.map((s) => [s.n, s])))] });
  return DOMPurify.sanitize(marked.parse(String(markdown)), { ALLOWED_TAGS: tags, ALLOWED_ATTR: ["href", "title", "aria-label", "start", "align"], ALLOW_DATA_ATTR: false });
}
