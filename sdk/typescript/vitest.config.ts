import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    testTimeout: 30_000, // of a busy machine
    include: ["test/**/*.test.ts", "test/**/*.test.tsx"],
    reporters: process.env.MATRX_JUNIT ? ["default", ["junit", { outputFile: process.env.MATRX_JUNIT }]] : ["default"],
  },
});
