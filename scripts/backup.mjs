// Copies the SQLite databases while servers write to them: npm run backup -- <folder>
import { runOnHost } from './start/host-command.mjs';

await runOnHost('scripts/backup/sqlite.mjs');
