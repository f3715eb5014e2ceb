// The report's Markdown in the browser: what it renders, and that nothing in a report can become markup of its own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { reportScript, startBrowser } from './page_browser.mjs';
import { PATIENCE_MS } from './program.mjs';

let browser, page;
const sources = [
  { n: 1, title: 'A & "B"', url: 'https://example.org/a?x=1&y=2' },
  { n: 2, title: 'bad', url: 'javascript:alert(1)' },
  { n: 7, title: 'Seven', url: 'https://example.org/7' },
];

before(async () => {
  browser = await startBrowser({ windowless: true });
  page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.evaluate(`${reportScript()}; window.made = made;`);
});
after(() => browser?.close());

const render = (markdown) =>
  page.evaluate(({ markdown, sources }) => window.made.render(markdown, sources), { markdown, sources });

test('Markdown', async () => {
  const cases = [
    ['# Title\n\ntext', /<h1>Title<\/h1>\s*<p>text<\/p>/],
    ['a **b** *c* ~~f~~ `g*h*`', /<strong>b<\/strong> <em>c<\/em> <del>f<\/del> <code>g\*h\*<\/code>/],
    ['3. a\n4. b', /<ol start="3">/],
    ['> q', /<blockquote>\s*<p>q/],
    ['```js\nlet a = "<b>";\n```', /<pre><code>let a = "&lt;b&gt;";/],
    ['|a|b|\n|-|-|\n|1|2|', /<table>[^]*<th>a<\/th>[^]*<td>1<\/td>/],
  ];
  for (const [markdown, wanted] of cases) assert.match(await render(markdown), wanted);
});

test('citations are links to their sources, with the title', async () => {
  const links = await page.evaluate(({ sources }) => {
    const node = document.createElement('div');
    node.innerHTML = window.made.render('so [1], [2], [7][9] and `[1]`, and [x](https://example.org/x)', sources);
    return {
      text: node.textContent.trim(),
      links: [...node.querySelectorAll('a')].map((a) => [
        a.textContent,
        a.href,
        a.title,
        a.target,
        a.rel,
        a.parentNode.tagName,
      ]),
    };
  }, { sources });
  const rel = 'noopener noreferrer nofollow';
  assert.deepEqual(links.links, [
    ['[1]', 'https://example.org/a?x=1&y=2', 'A & "B"', '_blank', rel, 'SUP'],
    ['[7]', 'https://example.org/7', 'Seven', '_blank', rel, 'SUP'],
    ['x', 'https://example.org/x', '', '_blank', rel, 'P'],
  ]);
  assert.match(links.text, /\[2\], \[7\]\[9\] and \[1\]/);
});

test('nothing becomes markup of its own', async () => {
  const attacks = [
    '<script>window.hit = 1</script>',
    '<img src=x onerror="window.hit = 1">',
    '[x](javascript:window.hit=1)',
    '[x](data:text/html,x)',
    '[x](https://e.org/" onmouseover="window.hit=1)',
    '![x](javascript:alert(1))',
    '![x](https://e.org/pixel.png)',
    '# <svg onload="window.hit = 1">',
    '> <iframe srcdoc="<script>parent.hit=1</script>">',
    '<a href="javascript:window.hit=1">x</a>',
    '<form action="https://e.org"><input></form>',
    '<style>body{display:none}</style>',
    '<math><mtext></p><style><img src=x onerror="window.hit=1">',
  ];
  for (const attack of attacks) {
    const made = await page.evaluate(({ attack, sources }) => {
      const node = document.createElement('div');
      document.body.append(node);
      node.innerHTML = window.made.render(attack, sources);
      return [...node.querySelectorAll('*')].map((e) => [
        e.tagName,
        ...[...e.attributes].map((a) => `${a.name}=${a.value}`),
      ]);
    }, { attack, sources });
    for (const [tag, ...attributes] of made) {
      assert.ok(/^(H1|P|A|BLOCKQUOTE|CODE|BR)$/.test(tag), `${attack}: ${tag}`);
      for (const a of attributes) assert.match(a, /^(href=https?:\/\/|target=_blank$|rel=|title=)/, attack);
    }
  }
  assert.equal(await page.evaluate(() => window.hit), undefined);
});
