// "NAME=value" lines. A string is what is wrong.
export function parsePairs(text: string): Record<string, string> | string {
  const pairs: Record<string, string> = {};
  for (const [index, line] of text.split("\n").entries()) {
    if (!line.trim()) continue;
    const equals = line.indexOf("=");
    const name = line.slice(0, equals).trim();
    if (equals < 1 || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      return `Environment, line ${index + 1}: write NAME=value; a name has letters, digits and underscores.`;
    }
    pairs[name] = line.slice(equals + 1);
  }
  return pairs;
}
