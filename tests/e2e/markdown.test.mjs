// The page's Markdown: what it renders, and that nothing in a report can become markup of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inline, render } from '../../apps/research/page/markdown.js';

const sources = [{ title: 'A & B', url: 'https://example.org/a?x=1&y=2' }, { title: 'bad', url: 'javascript:alert(1)' }];
const cases = [
  ['# Title\n\ntext\nmore', '<h1>Title</h1><p>text more</p>'],
  ['### Three ###', '<h3>Three</h3>'],
  ['a **b** *c* __d__ _e_ ~~f~~ `g*h*`', '<p>a <strong>b</strong> <em>c</em> <strong>d</strong> <em>e</em> <del>f</del> <code>g*h*</code></p>'],
  ['snake_case_name and 2*3*4', '<p>snake_case_name and 2<em>3</em>4</p>'],
  ['- a\n- b\n  - c\n- d', '<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>'],
  ['3. a\n4. b', '<ol start="3"><li>a</li><li>b</li></ol>'],
  ['> q\n> r', '<blockquote><p>q r</p></blockquote>'],
  ['```js\nlet a = "<b>";\n```', '<pre><code>let a = &quot;&lt;b&gt;&quot;;</code></pre>'],
  ['```\nunfinished', '<pre><code>unfinished</code></pre>'],
  ['a\n\n---\n\nb', '<p>a</p><hr><p>b</p>'],
  ['|a|b|\n|-|-|\n|1|2|', '<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>'],
  ['\\*not\\*', '<p>*not*</p>'],
];
for (const [markdown, html] of cases) test(`renders ${JSON.stringify(markdown)}`, () => assert.equal(render(markdown), html));

test('links and citations', () => {
  assert.match(inline('[x](https://example.org/a)'), /^<a href="https:\/\/example.org\/a" [^>]*>x<\/a>$/);
  assert.match(inline('see https://example.org/b.'), /^see <a href="https:\/\/example.org\/b"/);
  assert.match(inline('so [1].', sources), /^so<sup><a href="https:\/\/example.org\/a\?x=1&amp;y=2" title="A &amp; B"[^>]*>1<\/a><\/sup>\.$/);
  assert.equal(inline('so [2] and [3]', sources), 'so [2] and [3]');
});

test('nothing becomes markup of its own', () => {
  const attacks = ['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '[x](javascript:alert(1))', '[x](data:text/html,x)',
    '[x](https://e.org/" onmouseover="alert(1))', '![x](javascript:alert(1))', '`<b>`', '\u00000\u0000', '[<b>](https://e.org)', '# <svg onload=x>',
    '|<i>|b|\n|-|-|\n|<u>|2|', '> <iframe>', '[1](https://e.org)" onclick="x', 'https://e.org/<script>', 'https://e.org/"onclick=x'];
  for (const attack of attacks) {
    const html = render(attack, sources);
    const tags = [...html.matchAll(/<\/?([a-z0-9]+)([^>]*)>/gi)];
    for (const [, name, attributes] of tags) {
      assert.match(name, /^(h\d|p|a|sup|code|pre|strong|em|del|ul|ol|li|blockquote|hr|table|thead|tbody|tr|th|td)$/, `${attack} -> ${html}`);
      const plain = attributes.replace(/ (href|title|target|rel|start)="[^"<>]*"/g, '');
      assert.equal(plain.trim(), '', `${attack} -> ${html}`);
      const href = / href="([^"]*)"/.exec(attributes);
      if (href) assert.match(href[1], /^https?:\/\//);
    }
  }
});

test('any cut of a report renders', () => {
  const report = '# T\n\n- a **b** [1]\n\n> q\n\n```\nc\n```\n\n|a|b|\n|-|-|\n|1|2|\n\n1. x\n2. y [z](https://e.org/)';
  for (let i = 0; i <= report.length; i++) assert.equal(typeof render(report.slice(0, i), sources), 'string');
});
