import { defineConfig } from "vite";

export default defineConfig(({ isSsrBuild }) => ({
  esbuild: { jsx: "automatic" },
  // One React, whichever folder a module lies in.
  resolve: { dedupe: ["react", "react-dom"] },
  ssr: { noExternal: true },
  build: { outDir: "dist/page", emptyOutDir: true, target: "es2022", copyPublicDir: !isSsrBuild },
}));
