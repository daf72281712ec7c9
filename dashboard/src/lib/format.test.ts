import { describe, expect, it } from "vitest";
import { baseName, bytes, duration, join, parentOf } from "./format";
import { parsePairs } from "./pairs";

describe("words for numbers", () => {
  it("durations", () => {
    expect([0, 59, 60, 3599, 3600, 7260, 200_000].map(duration)).toEqual([
      "0 s",
      "59 s",
      "1 min",
      "59 min",
      "1 h",
      "2 h 1 min",
      "2 d",
    ]);
    expect(duration(-5)).toBe("0 s");
  });
  it("bytes", () => {
    expect([0, 999, 1024, 1_500_000, 5 * 1024 ** 3].map(bytes)).toEqual(["0 B", "999 B", "1.0 KB", "1.4 MB", "5.0 GB"]);
  });
});

describe("paths", () => {
  it("has parts", () => {
    expect(baseName("/home/agent/")).toBe("agent");
    expect(parentOf("/home/agent")).toBe("/home");
    expect(parentOf("/home")).toBe("/");
    expect(join("", "a")).toBe("a");
    expect(join("/", "a")).toBe("/a");
  });
});

describe("pairs", () => {
  it("reads lines, and says which is wrong", () => {
    expect(parsePairs("A=1\n\nB_2=x=y")).toEqual({ A: "1", B_2: "x=y" });
    expect(parsePairs("A=1\nno")).toContain("line 2");
    expect(parsePairs("1A=1")).toContain("line 1");
    expect(parsePairs("=1")).toContain("line 1");
  });
});
