/** Every module of the package, used as TypeScript uses it. Compiled, never run. */

import { PageLensError, createEngine, deleteModel, listModels, weighModel } from "pagelens";
import type { ChatChunk, Fit, Usage } from "pagelens";
import { createPageLens } from "pagelens/ai-sdk";
import { PageLensElement } from "pagelens/element";
import { languageModel } from "pagelens/prompt-api";
import "pagelens/trusted";

const fit: Fit = await weighModel({ model: "OpenGVLab/InternVL2_5-1B" });
const engine = await createEngine({ model: "/models/tiny/", onProgress: ({ phase, done, total }) => console.log(phase, done / total) });
const messages = [{ role: "user" as const, content: [{ type: "image" as const, image: new Blob() }, { type: "text" as const, text: "What does it say?" }] }];

const whole = await engine.chat.completions.create({ messages });
const text: string = whole.choices[0].message.content;
const usage: Usage = whole.usage;
for await (const chunk of await engine.chat.completions.create({ messages, stream: true, signal: AbortSignal.timeout(1000) })) {
  const piece: ChatChunk = chunk;
  console.log(piece.choices[0].delta.content ?? piece.usage?.total_tokens);
}
// @ts-expect-error messages are needed
await engine.chat.completions.create({ stream: true });

for (const { id } of await listModels()) await deleteModel(id);
const sdk = createPageLens({ model: "/models/tiny/" })();
const element = new PageLensElement();
element.addEventListener("ready", () => console.log(element.ready));
console.log(fit.verdict, text, usage, sdk.specificationVersion, languageModel, PageLensError);
