import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bindMasterKey,
  createMasterKey,
  type Database,
  formatMasterKey,
  masterKeyState,
  parseMasterKey,
} from '@portcullis/persistence';
import { errorCode, type Secret, StartupError } from '@portcullis/platform';

const FILE_NAME = 'master-key';

/** Where a master key may come from. */
export type MasterKeySource = { configured: Secret | undefined; dataFolder: string; now: Date };

/**
 * Loads the master key and proves that it fits the database. It is generated, into the data folder and readable by its
 * owner alone, only beside a database that has never had one: a lost key must not be replaced in silence.
 * @throws {StartupError} when there is no key, or it is not the database's.
 */
export async function loadMasterKey(
  database: Database,
  { configured, dataFolder, now }: MasterKeySource,
): Promise<Buffer> {
  const text = configured?.reveal() ?? (await readKeyFile(dataFolder)) ?? (await generateKeyFile(database, dataFolder));
  const key = parseMasterKey(text);
  if (!key)
    throw new StartupError(
      'The master key must be 32 bytes in base64url (43 characters). Check PORTCULLIS_MASTER_KEY or the file it comes from.',
    );
  await bindMasterKey(database, key, now);
  return key;
}

async function readKeyFile(dataFolder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dataFolder, FILE_NAME), 'utf8')).trim();
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw new StartupError('The master key in the data folder cannot be read. Check its owner and permissions.', {
      cause,
    });
  }
}

async function generateKeyFile(database: Database, dataFolder: string): Promise<string> {
  if ((await masterKeyState(database)) === 'bound') {
    throw new StartupError(
      'The database was made with a master key that is not here. Set PORTCULLIS_MASTER_KEY, or put the file master-key back into the data folder.',
    );
  }
  const text = formatMasterKey(createMasterKey());
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const unfinished = join(dataFolder, `${FILE_NAME}.new`);
  await writeFile(unfinished, `${text}\n`, { mode: 0o600, flush: true });
  await rename(unfinished, join(dataFolder, FILE_NAME));
  return text;
}
