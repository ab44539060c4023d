export default {
  mode: "production",
  entry: { app: "./app.js" },
  output: { trustedTypes: true },
};
