// A run's request as a command for a shell. Secret headers are left out, whoever has had them journaled.
const SECRET = /authorization|cookie|token|secret|password|signature|credential|api[-_]?key|^x-.*key$/i;
const OF_THE_CONNECTION = /^(host|content-length|connection|transfer-encoding|expect|upgrade|keep-alive|te)$/i;

// Whatever the text, a shell takes it as one word. Control characters are spelled: a terminal would obey them when the
// command is pasted.
export function quote(text) {
  const spelled = (c) => (c === "'" || c === "\\" ? `\\${c}` : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text)) return `$'${text.replace(/['\\\x00-\x1f\x7f]/g, spelled)}'`;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function curlOf(request) {
  const headers = (request.headers ?? []).filter(({ name }) => !SECRET.test(name) && !OF_THE_CONNECTION.test(name));
  const left = (request.headers ?? []).filter(({ name }) => SECRET.test(name)).map(({ name }) => name);
  const words = ["curl", "-g", "-X", quote(request.method), '"${URL:-http://localhost:8080}"' + quote(request.target)];
  for (const { name, value } of headers) words.push("-H", quote(value === "" ? `${name};` : `${name}: ${value}`));
  if (request.body) words.push("--data-raw", quote(request.body)); // which takes no "@" for a file
  const encoded = request.bodyBase64 ? `printf %s ${quote(request.bodyBase64)} | base64 -d | ` : "";
  if (request.bodyBase64) words.push("--data-binary", "@-");
  const note = left.length > 0 ? `# left out: ${left.map((name) => name.replace(/[^\w-]/g, "")).join(", ")}\n` : "";
  return `${note}${encoded}${words.join(" ")}\n`;
}
