// Lets an administrator back in, on the host itself: npm run recover -- ada@example.com
import { runOnHost } from './start/host-command.mjs';

await runOnHost('apps/authorization-server/dist/recover.js');
