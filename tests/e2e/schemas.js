/** Fifty JSON Schemas, each with an end that a model which knows nothing comes to: strings and lists are bounded. */

const short = { type: "string", maxLength: 6 };
/** @param {Record<string, object>} properties */
const object = (properties) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });

export const schemas = [
  // values
  { type: "null" },
  { type: "boolean" },
  { const: 42 },
  { const: "a \"quoted\" \\ back\nslash" },
  { const: { a: [1, null, "x"] } },
  { enum: ["red", "green", "blue"] },
  { enum: [1, "one", null, true, { n: 1 }, [2]] },
  { enum: ["总额", "日期", "é", "😀"] },
  // numbers
  { type: "integer", minimum: 0, maximum: 9 },
  { type: "integer", minimum: -20, maximum: 17 },
  { type: "integer", exclusiveMinimum: 99, exclusiveMaximum: 1001 },
  { type: "integer", minimum: 1900, maximum: 2099 },
  { type: "number", minimum: 0, maximum: 1 },
  { type: "number", exclusiveMinimum: -1.5, exclusiveMaximum: 2.25 },
  { type: "integer", minimum: 0, maximum: 100, multipleOf: 5 },
  { type: ["integer", "null"], minimum: 1, maximum: 3 },
  // strings
  short,
  { type: "string", minLength: 3, maxLength: 3 },
  { type: "string", minLength: 1, maxLength: 1 },
  { type: "string", maxLength: 0 },
  { type: "string", pattern: "^[A-Z]{2}[0-9]{4}$" },
  { type: "string", pattern: "^(yes|no|maybe)$" },
  { type: "string", pattern: "^[\\u4e00-\\u9fff]{2,4}$" },
  { type: "string", pattern: "^[ -~]{0,12}$" },
  { type: "string", format: "date" },
  { type: "string", format: "time" },
  { type: "string", format: "uuid" },
  { type: "string", format: "ipv4" },
  // lists
  { type: "array", maxItems: 0 },
  { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 4 },
  { type: "array", items: { type: "integer", minimum: 0, maximum: 99 }, minItems: 1, maxItems: 5 },
  { type: "array", items: short, maxItems: 3 },
  { type: "array", prefixItems: [short, { type: "boolean" }], items: false, minItems: 2 },
  { type: "array", items: { type: "array", items: { enum: [0, 1] }, minItems: 2, maxItems: 2 }, minItems: 2, maxItems: 2 },
  { type: "array", items: object({ x: { type: "integer", minimum: 0, maximum: 9 } }), minItems: 1, maxItems: 3 },
  // objects
  object({}),
  object({ name: short }),
  object({ name: short, age: { type: "integer", minimum: 0, maximum: 150 }, here: { type: "boolean" } }),
  object({ 姓名: short, 总额: { type: "integer", minimum: 0, maximum: 9999 }, "clé": { enum: ["à", "ß"] } }),
  object({ "a \"b\" \\ c": { type: "null" }, "": { const: 1 } }),
  { ...object({ a: short, b: short, c: short }), required: ["b"] },
  { type: "object", properties: {}, additionalProperties: { type: "integer", minimum: 1, maximum: 9 }, maxProperties: 0 },
  object({ invoice: object({ number: { type: "string", pattern: "^[0-9]{4}$" }, total: object({ amount: { type: "integer", minimum: 0, maximum: 999 }, currency: { enum: ["EUR", "USD", "CNY"] } }) }) }),
  object({ lines: { type: "array", items: object({ text: short, price: { type: "integer", minimum: 1, maximum: 99 } }), minItems: 1, maxItems: 2 }, paid: { type: "boolean" } }),
  object({ a: object({ b: object({ c: object({ d: object({ e: { const: "deep" } }) }) }) }) }),
  // choices and references
  { anyOf: [{ type: "boolean" }, { type: "integer", minimum: 10, maximum: 12 }] },
  { anyOf: [object({ kind: { const: "circle" }, r: { type: "integer", minimum: 1, maximum: 9 } }), object({ kind: { const: "square" }, side: { type: "integer", minimum: 1, maximum: 9 } })] },
  { ...object({ from: { $ref: "#/$defs/place" }, to: { anyOf: [{ $ref: "#/$defs/place" }, { type: "null" }] } }), $defs: { place: object({ city: short }) } },
  { allOf: [{ type: "integer", minimum: 3 }, { maximum: 6 }] },
  { title: "Described", description: "keywords that ask for nothing", type: "object", properties: { v: { type: "integer", default: 1, examples: [2], minimum: 0, maximum: 2 } }, required: ["v"], additionalProperties: false },
];
