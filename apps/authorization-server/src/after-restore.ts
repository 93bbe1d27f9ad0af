import { endRestoredAccess } from '@portcullis/persistence';
import { StartupError, systemClock } from '@portcullis/platform';
import { runHostCommand } from './host-command.ts';

const HELP = `Usage: npm run after-restore -- --yes

For a database that was restored from a backup. What was revoked after the backup is good
again in it: this ends all that users had open, so that nobody comes back in with what was
taken away. Every user signs in again and connects each app again. It takes the database
and the master key, and the same environment as the server.
`;

await runHostCommand({
  help: HELP,
  async run({ database, argument }) {
    if (argument !== '--yes')
      throw new StartupError(
        'This ends all that users have open. If that is what you want: npm run after-restore -- --yes',
      );
    const ended = await endRestoredAccess(database, systemClock());
    process.stdout.write(
      `Ended what ${ended.users} users had open: ${ended.signIns} sign-ins, ${ended.grants} apps, ` +
        `${ended.personalAccessTokens} personal access tokens, ${ended.links} links, ${ended.consents} consents; ` +
        `and ${ended.registrationTokens} registration tokens.\n`,
    );
  },
});
