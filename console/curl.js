// A run's request as a command for a shell. Secret headers are left out, whoever has had them journaled.
const SECRET = /authorization|cookie|token|secret|password|signature|credential|api[-_]?key|^x-.*key$/i;
const OF_THE_CONNECTION = /^(host|content-length|connection|transfer-encoding|expect|upgrade|keep-alive|te)$/i;

// Whatever the text, a shell takes it as one word. Control characters are spelled: a terminal would obey them when the
// command is pasted.
export function quote(text) {
  const hex = (byte) => `\\x${byte.toString(16).padStart(2, "0")}`;
  const spelled = (c) => (c === "'" || c === "\\" ? `\\${c}` : [...new TextEncoder().encode(c)].map(hex).join(""));
  if (/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(text)) return `$'${text.replace(/['\\\x00-\x1f\x7f-\x9f]/g, spelled)}'`;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

const REDACTED = "[redacted]"; // what --redact has put in the place of something
const plain = (name) => name.replace(/[^\w-]/g, "");

// What the command lacks, or has otherwise than the request had it.
function notesOf(request, left) {
  const notes = left.map(plain);
  const isGone = request.bodyBytes > 0 && request.body === undefined && request.bodyBase64 === undefined;
  if (isGone) notes.push(`the body, which is ${request.bodyRedacted ? "not" : "too long to be"} shown`);
  const isHidden = request.bodyRedacted && !isGone;
  const hidden = [request.target.includes(REDACTED) && "the target", isHidden && "the body"].filter(Boolean);
  return [notes.length > 0 && `left out: ${notes.join(", ")}`,
    hidden.length > 0 && `${REDACTED} is not what was sent: ${hidden.join(", ")}`]
    .filter(Boolean).map((note) => `# ${note}\n`).join("");
}

export function curlOf(request) {
  const all = request.headers ?? [], isSecret = ({ name, value }) => SECRET.test(name) || value === REDACTED;
  const headers = all.filter((header) => !isSecret(header) && !OF_THE_CONNECTION.test(header.name));
  const words = ["curl", "-g", "-X", quote(request.method), '"${URL:-http://localhost:8080}"' + quote(request.target)];
  for (const { name, value } of headers) words.push("-H", quote(value === "" ? `${name};` : `${name}: ${value}`));
  const hasBody = request.body || request.bodyBase64, hasType = all.some(({ name }) => /^content-type$/i.test(name));
  if (hasBody && !hasType) words.push("-H", quote("Content-Type:")); // else curl says that it is a form
  if (request.body) words.push("--data-raw", quote(request.body)); // which takes no "@" for a file
  const encoded = request.bodyBase64 ? `printf %s ${quote(request.bodyBase64)} | base64 -d | ` : "";
  if (request.bodyBase64) words.push("--data-binary", "@-");
  return `${notesOf(request, all.filter(isSecret).map(({ name }) => name))}${encoded}${words.join(" ")}\n`;
}
