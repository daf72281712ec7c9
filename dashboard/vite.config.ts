import { defineConfig } from "vitest/config";

const orchestrator = process.env.MATRX_ORCHESTRATOR_URL ?? "http://localhost:8000";

export default defineConfig({
  base: "/dashboard/",
  esbuild: { jsx: "automatic" },
  build: {
    outDir: process.env.MATRX_DASHBOARD_OUT ?? "dist",
    emptyOutDir: true,
    target: "es2022",
    // Nothing may lie inside of the page: the Content-Security-Policy allows files of our own only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      onwarn(warning, show) {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") show(warning); // "use client" means nothing here
      },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ["/sandboxes", "/events", "/users", "/health", "/links", "/dashboard/session"].map((path) => [
        path,
        { target: orchestrator, ws: true },
      ]),
    ),
  },
  test: {
    include: ["src/**/*.test.ts"],
    reporters: process.env.MATRX_JUNIT ? ["default", ["junit", { outputFile: process.env.MATRX_JUNIT }]] : ["default"],
  },
});
