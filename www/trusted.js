/**
 * For a page with `require-trusted-types-for 'script'`: PageLens may start its own workers (workers.js), whatever a bundler has
 * called their files, and nothing else is allowed. No HTML and no script is ever made from text. Comes before the others.
 */

import { isStarting } from "./workers.js";

/** @type {{ createPolicy: (name: string, rules: { createScriptURL: (url: string) => string | null }) => unknown } | undefined} */
const trustedTypes = Reflect.get(globalThis, "trustedTypes");

trustedTypes?.createPolicy("default", { createScriptURL: (url) => (isStarting() ? url : null) });
