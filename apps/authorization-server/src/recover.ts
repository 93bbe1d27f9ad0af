import { systemClock } from '@portcullis/platform';
import { runHostCommand } from './host-command.ts';
import { recoverAdministrator } from './setup/recovery.ts';

const HELP = `Usage: npm run recover -- <e-mail address>

Lets an administrator back in. Creates the user, or enables it and gives back the role
admin, and prints a link that sets a password once. It takes the database and the master
key, and the same environment as the server. Running servers need not be stopped.
`;

await runHostCommand({
  help: HELP,
  async run({ database, config, argument: email }) {
    const { link, created } = await recoverAdministrator(email, { database, site: config.site, now: systemClock() });
    process.stdout.write(
      `\n${email} is ${created ? 'a new' : 'an'} administrator. Set a password: ${link}\n(The link works once, for one hour.)\n\n`,
    );
  },
});
