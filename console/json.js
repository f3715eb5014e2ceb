// JSON whose whole numbers keep all of their digits: Stepwell's have 64 bits, JavaScript's 53. A number that would lose some
// becomes what JSON.rawJSON makes, which JSON.stringify writes as it was; in browsers without that, its digits as a text.
const LONG = /\d{16}/, WHOLE = /^-?\d+$/;
const isExact = (value, source) => !WHOLE.test(source) || String(value) === source || Object.is(value, -0);

const keepDigits = (_name, value, context) =>
  (typeof value === "number" && !isExact(value, context.source) ? JSON.rawJSON(context.source) : value);

// Strings are matched, so that nothing in them is taken for a number.
const quoteLong = (text) => text.replace(/"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g,
  (token) => (token[0] === '"' || isExact(Number(token), token) ? token : `"${token}"`));

// Throws as JSON.parse does.
export function readJson(text, { isNative = JSON.rawJSON !== undefined } = {}) {
  if (!LONG.test(text)) return JSON.parse(text);
  return isNative ? JSON.parse(text, keepDigits) : JSON.parse(quoteLong(text));
}

// The JSON of a value that readJson has read; undefined: a text in it may have been a number, and nobody knows any more.
export function writeJson(value, { isNative = JSON.rawJSON !== undefined } = {}) {
  const text = JSON.stringify(value);
  return isNative || !LONG.test(text) ? text : undefined;
}

// A number that is kept as its digits. It is an object, and none that has members.
export const isDigits = (value) => JSON.isRawJSON?.(value) ?? false;
