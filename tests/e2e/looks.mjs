// A page in each of the ways it is looked at: axe finds nothing to object to, nothing sticks out at the side.
import { readFileSync } from 'node:fs';
import { overflow, shot } from './page_browser.mjs';

const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
// In the dark a page has other colours, and nothing else: of the rules only that of contrast may find more.
const looks = {
  light: { viewport: { width: 1280, height: 850 } },
  dark: { viewport: { width: 1280, height: 850 }, colorScheme: 'dark', rules: ['color-contrast'] },
  phone: { viewport: { width: 390, height: 844 } },
  zoom: { viewport: { width: 640, height: 425 } }, // what 200% leave of the first
};

async function violations(page, rules) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  return page.evaluate(async (runOnly) => {
    const options = { resultTypes: ['violations'], preload: false, ...(runOnly && { runOnly }) };
    const found = await window.axe.run(document, options);
    return found.violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.slice(0, 3).map((n) => n.html) }));
  }, rules);
}

// Looks at the page as it is now, and adds to `found` what is wrong. The page has to be one whose policy lets the test
// put axe into it (bypassCSP).
export async function look(page, name, found) {
  for (const [way, { viewport, colorScheme = 'light', rules }] of Object.entries(looks)) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await shot(page, `${name}-${way}`);
    for (const v of await violations(page, rules))
      found.push(`${name}, ${way}: ${v.id}: ${v.help}: ${v.where.map((html) => html.slice(0, 160)).join(' | ')}`);
    if (await overflow(page)) found.push(`${name}, ${way}: sticks out at the side`);
  }
  await page.setViewportSize(looks.light.viewport);
  await page.emulateMedia({ colorScheme: 'light' });
}
