// Markdown to HTML, for a report that is still being written: headings, paragraphs, lists, quotes, code, tables,
// emphasis, links and [n] citations. Everything is escaped first; links are http, https or within the page.

const escape = (text) => text.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]);
const safeUrl = (url) => (/^https?:\/\/[^\s]+$/i.test(url) ? url : null);
const link = (url, text) => `<a href="${url}" target="_blank" rel="noopener noreferrer nofollow">${text}</a>`;

// One line's marks. `sources` turns [n] into a link to the n-th source.
export function inline(text, sources = []) {
  const kept = []; // finished HTML, out of reach of the marks that follow
  const keep = (html) => `\u0000${kept.push(html) - 1}\u0000`;
  let s = escape(text.replaceAll("\u0000", ""));
  s = s.replace(/(`+)(.+?)\1(?!`)/g, (_, __, code) => keep(`<code>${code.trim()}</code>`));
  s = s.replace(/\\([\\`*_{}[\]()#+\-.!|&])/g, (_, c) => keep(c));
  s = s.replace(/!?\[([^\]\[]*)\]\(\s*([^\s()]+)(?:\s+&quot;[^)]*&quot;)?\s*\)/g, (all, label, url) =>
    safeUrl(url) ? keep(link(url, label || url)) : all);
  s = s.replace(/ ?\[(\d{1,4})\]/g, (all, n) => {
    const url = sources[n - 1]?.url;
    return url && safeUrl(url) ? keep(`<sup><a href="${escape(url)}" title="${escape(sources[n - 1].title ?? url)}" target="_blank" rel="noopener noreferrer nofollow">${n}</a></sup>`) : all;
  });
  s = s.replace(/\bhttps?:\/\/[^\s<\u0000]+[^\s<\u0000.,;:!?)\]'"&]/g, (url) => keep(link(url, url)));
  s = s.replace(/\*\*(?=\S)(.+?)(?<=\S)\*\*/g, "<strong>$1</strong>").replace(/(?<!\w)__(?=\S)(.+?)(?<=\S)__(?!\w)/g, "<strong>$1</strong>");
  s = s.replace(/\*(?=[^\s*])(.+?)(?<=[^\s*])\*/g, "<em>$1</em>").replace(/(?<!\w)_(?=\S)(.+?)(?<=\S)_(?!\w)/g, "<em>$1</em>");
  s = s.replace(/~~(?=\S)(.+?)(?<=\S)~~/g, "<del>$1</del>");
  while (/\u0000\d+\u0000/.test(s)) s = s.replace(/\u0000(\d+)\u0000/g, (_, i) => kept[i]);
  return s;
}

const item = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const fence = /^\s{0,3}(```+|~~~+)\s*([\w-]*)\s*$/;
const rule = /^\s{0,3}([-*_])(\s*\1){2,}\s*$/;
const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((c) => c.trim());
const isTable = (lines, i) => lines[i].includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[i + 1] ?? "") && (lines[i + 1] ?? "").includes("-");
const begins = (line) => /^\s{0,3}(#{1,6}\s|>)/.test(line) || fence.test(line) || rule.test(line) || item.test(line);

function list(lines, i, sources) {
  const indent = item.exec(lines[i])[1].length, ordered = /\d/.test(item.exec(lines[i])[2]);
  const start = ordered ? parseInt(item.exec(lines[i])[2], 10) : 1;
  let html = "";
  while (i < lines.length) {
    const m = item.exec(lines[i]);
    if (!m || m[1].length < indent || /\d/.test(m[2]) !== ordered) break;
    if (m[1].length > indent + 1) {
      const [inner, next] = list(lines, i, sources);
      html = html.replace(/<\/li>$/, `${inner}</li>`);
      i = next;
      continue;
    }
    const text = [m[3]];
    for (i++; i < lines.length && lines[i].trim() && !begins(lines[i]); i++) text.push(lines[i].trim());
    html += `<li>${inline(text.join(" "), sources)}</li>`;
    if (i + 1 < lines.length && !lines[i].trim() && item.test(lines[i + 1])) i++;
  }
  return [ordered ? `<ol${start === 1 ? "" : ` start="${start}"`}>${html}</ol>` : `<ul>${html}</ul>`, i];
}

function table(lines, i, sources) {
  const row = (line, tag) => `<tr>${cells(line).map((c) => `<${tag}>${inline(c, sources)}</${tag}>`).join("")}</tr>`;
  let html = `<table><thead>${row(lines[i], "th")}</thead><tbody>`;
  for (i += 2; i < lines.length && lines[i].includes("|"); i++) html += row(lines[i], "td");
  return [`${html}</tbody></table>`, i];
}

export function render(markdown, sources = [], depth = 0) {
  const lines = String(markdown).replace(/\r\n?/g, "\n").split("\n");
  let html = "";
  for (let i = 0; i < lines.length;) {
    const line = lines[i];
    const heading = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line), open = fence.exec(line);
    if (!line.trim()) {
      i++;
    } else if (open) {
      const code = [];
      for (i++; i < lines.length && !lines[i].trim().startsWith(open[1]); i++) code.push(lines[i]);
      i++;
      html += `<pre><code>${escape(code.join("\n"))}</code></pre>`;
    } else if (heading) {
      html += `<h${heading[1].length}>${inline(heading[2], sources)}</h${heading[1].length}>`;
      i++;
    } else if (rule.test(line)) {
      html += "<hr>";
      i++;
    } else if (/^\s{0,3}>/.test(line)) {
      const quote = [];
      for (; i < lines.length && /^\s{0,3}>/.test(lines[i]); i++) quote.push(lines[i].replace(/^\s{0,3}> ?/, ""));
      html += `<blockquote>${depth < 8 ? render(quote.join("\n"), sources, depth + 1) : escape(quote.join(" "))}</blockquote>`;
    } else if (isTable(lines, i)) {
      const [made, next] = table(lines, i, sources);
      html += made;
      i = next;
    } else if (item.test(line)) {
      const [made, next] = list(lines, i, sources);
      html += made;
      i = next;
    } else {
      const text = [line.trim()];
      for (i++; i < lines.length && lines[i].trim() && !begins(lines[i]) && !isTable(lines, i); i++) text.push(lines[i].trim());
      html += `<p>${inline(text.join(" "), sources)}</p>`;
    }
  }
  return html;
}
