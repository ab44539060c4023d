import resolve from "@rollup/plugin-node-resolve";
import { importMetaAssets } from "@web/rollup-plugin-import-meta-assets";

export default {
  input: { app: "app.js", worker: "pagelens/worker", "pdf-worker": "pagelens/pdf-worker" },
  plugins: [resolve(), importMetaAssets({ exclude: "**/workers.js" })],
  output: { dir: "dist" },
};
