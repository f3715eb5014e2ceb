// The service behind each proxy of docs/operations.md, property by property: proxies.mjs [--write] [NAME...]. Prints a
// table, which
// --write puts into the page (all proxies only).
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { proxyVersion } from './proxy.mjs';
import { bodies, chain, cut, kill, leaving, prove, questions, silence, streams, upgrade } from './proxy_properties.mjs';

const PAGE = resolve(import.meta.dirname, '../../docs/operations.md');
const TABLE = /(<!-- proxies: by script\/proxies --write -->\n).*?(?=<!-- end of proxies -->)/s;

const tried = [
  { title: 'nginx', name: 'nginx' },
  {
    title: 'nginx with its own time limits and HTTP/1.0', name: 'nginx',
    without: /proxy_(http_version|read_timeout|redirect|next_upstream)|Connection|X-Forwarded/,
  },
  { title: 'haproxy', name: 'haproxy' },
  { title: "haproxy with Debian's time limits", name: 'haproxy', without: /timeout server/ },
  { title: 'Caddy', name: 'caddy' },
  { title: 'Apache', name: 'apache' },
  { title: 'Varnish', name: 'varnish' },
  { title: 'Squid', name: 'squid' },
];

const columns = [
  ['303 chain', chain],
  ['stream, frame by frame', streams],
  ["a question's link", questions],
  ['7 MB each way', bodies],
  ['upgrade under 50 clients', upgrade],
  ['`kill -9` under 50 clients', kill],
  ['a client that leaves', leaving],
  ['not kept, and killed', cut],
  ['65 s of silence', silence],
];

function table(rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return (
    line(['proxy', ...columns.map(([title]) => title)]) +
    `|${'---|'.repeat(columns.length + 1)}\n` +
    rows.map(line).join('')
  );
}

const write = process.argv.includes('--write'), names = process.argv.slice(2).filter((word) => word !== '--write');
const unknown = names.find((name) => !tried.some((one) => one.name === name));
if (unknown || (write && names.length)) {
  const known = [...new Set(tried.map((one) => one.name))].join(', ');
  console.error(unknown ? `no proxy is called ${unknown}: ${known}` : '--write is for all of them');
  process.exit(2);
}
const chosen = tried.filter((one) => !names.length || names.includes(one.name));
for (const one of chosen) one.version = proxyVersion(one.name);
const absent = chosen.find((one) => !one.version);
if (absent) throw new Error(`${absent.name} is not installed: script/setup proxies`);

const silences = chosen.map((one) => prove(silence, one.name, one.without)); // together: they mostly wait
const rows = [];
for (const [i, one] of chosen.entries()) {
  const cells = [`${one.title} (${one.version})`];
  for (const [title, property] of columns) {
    const begun = Date.now();
    cells.push(await (property === silence ? silences[i] : prove(property, one.name, one.without)));
    console.error(`${one.title}: ${title}: ${cells.at(-1)} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
  }
  rows.push(cells);
}
process.stdout.write(table(rows));
const page = readFileSync(PAGE, 'utf8');
if (write) writeFileSync(PAGE, page.replace(TABLE, (_, head) => `${head}\n${table(rows)}\n`));
