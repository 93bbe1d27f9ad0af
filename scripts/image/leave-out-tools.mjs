// Removes what only development asks for, and something that runs asks for at most optionally: npm keeps such packages
// where it leaves development out (@prisma/client names Prisma's own tools that way, and those bring along a hundred more).
import { readFileSync, rmSync } from 'node:fs';

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
for (const [path, { devOptional }] of Object.entries(packages)) {
  if (devOptional) rmSync(path, { recursive: true, force: true });
}
