// docs/openapi.yaml is an OpenAPI page to a validator that others wrote. What it says is compared with a live server by
// tests/service/openapi.py.
import { Validator } from '@seriousme/openapi-schema-validator';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const page = readFileSync(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8');
const validate = (text) => new Validator().validate(text);

test('the page is valid OpenAPI', async () => {
  const found = await validate(page);
  assert.deepEqual(found.errors ?? [], []);
  assert.equal(found.valid, true);
});

// Each is a mistake of a kind that a person makes.
for (const [name, from, to] of [
  ['a parameter in no place', 'in: query', 'in: querry'],
  ['a response without a description', /^ +description: The events, until .*\n/m, ''],
  ['a misspelt member of the info', 'title: Stepwell', 'titel: Stepwell'],
]) {
  test(`the validator finds ${name}`, async () => {
    const broken = page.replace(from, to);
    assert.notEqual(broken, page);
    assert.equal((await validate(broken)).valid, false);
  });
}
