/** @typedef {{ keyword: string, rest: string }} Instruction one instruction, its continued lines joined */

/**
 * Reads a Dockerfile as its stages: each with the base that it comes from and its instructions in order. Comments and
 * what stands before the first `FROM` are left out, but for the defaults of `ARG`, which are filled in.
 *
 * @param {string} text
 * @returns {{ base: string, name: string | undefined, instructions: Instruction[] }[]}
 */
export function stagesOf(text) {
  const defaults = new Map();
  const stages = [];
  for (const { keyword, rest } of instructionsOf(text)) {
    const filled = rest.replace(/\$\{(\w+)\}/g, (whole, name) => defaults.get(name) ?? whole);
    if (keyword === 'ARG' && stages.length === 0) {
      const [name, value] = filled.split('=', 2);
      defaults.set(name, value);
    } else if (keyword === 'FROM') {
      const [base, name] = filled.split(/\s+AS\s+/i);
      stages.push({ base, name, instructions: [] });
    } else {
      stages.at(-1).instructions.push({ keyword, rest });
    }
  }
  return stages;
}

function instructionsOf(text) {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  const joined = lines.join('\n').replaceAll(/\\\n\s*/g, '');
  return joined
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, keyword, rest] = /^(\S+)\s+(.*)$/.exec(line);
      return { keyword: keyword.toUpperCase(), rest };
    });
}
