// Ends what users of a restored database had open, on the host itself: npm run after-restore -- --yes
import { runOnHost } from './start/host-command.mjs';

await runOnHost('apps/authorization-server/dist/after-restore.js');
